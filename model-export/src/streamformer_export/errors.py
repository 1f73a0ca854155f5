"""The error of an export that its user can mend."""


class ExportError(Exception):
    """A rule was broken: the message has the rule, the value seen and the next step."""
