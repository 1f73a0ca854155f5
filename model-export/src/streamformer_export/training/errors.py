"""The one error that a user can mend."""


class TrainingError(Exception):
    """A rule was broken: the message has the rule, the value seen and the next step."""
