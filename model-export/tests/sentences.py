"""English sentences by a small grammar: plain ones, as people write them, and no two the same."""

from __future__ import annotations

import random

# A line each.
PEOPLE = """
a man
a woman
the old teacher
two young girls
my brother
a group of children
the doctor
an old couple
our neighbour
the boy in the red shirt
three soldiers
a street musician
the little girl
some students
Mary
Mr. Brown
a tall woman with long hair
the players
"""
# Of many, of one, while it lasts.
DOING = """
ride rides riding a bicycle
read reads reading the newspaper
play plays playing the guitar
look looks looking at a map
eat eats eating an apple
carry carries carrying a heavy bag
wait waits waiting for the bus
watch watches watching a football game
sell sells selling fresh fish
take takes taking pictures
climb climbs climbing a ladder
write writes writing a long letter
wash washes washing the dishes
feed feeds feeding the ducks
"""
PLACES = """
in the park
on the beach
near the station
in front of a large white building
at the market
in the kitchen
behind the school
on a crowded street
under a big tree
by the river
on the roof
in a small village
at home
next to the bridge
"""
TIMES = """
every morning
after work
on Sundays
before dinner
at night
in the summer
when it rains
at a quarter past nine
once a week
on the first of May
"""
REASONS = """
because the weather is nice
although it is very cold
while the others sleep
since nobody else wants to
but nobody pays attention
and everybody laughs
as if nothing had happened
so that we can leave early
"""
SAYING = """
I don't think that
Do you know whether
She told me yesterday that
It is strange that
We were surprised to hear that
Everybody knows that
The newspaper says that
I hope that
"""


def sentences(count: int, seed: int) -> list[str]:
    """That many different sentences; the same seed gives the same ones."""
    chance = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        found[_sentence(chance)] = None
    return list(found)


def _sentence(chance: random.Random) -> str:
    who, where = _one(chance, PEOPLE), _one(chance, PLACES)
    many = who.startswith(("two", "three", "some", "the players"))
    of_many, of_one, lasting, what = _one(chance, DOING).split(" ", 3)
    verb = of_many if many else of_one
    kind = chance.randrange(5)
    if kind == 0:
        text = f"{who} {'are' if many else 'is'} {lasting} {what} {where}"
    elif kind == 1:
        text = f"{who} {verb} {what} {where} {_one(chance, TIMES)}"
    elif kind == 2:
        text = f"{_one(chance, SAYING)} {who} {verb} {what} {_one(chance, TIMES)}"
    elif kind == 3:
        text = f"{who} {verb} {what} {where}, {_one(chance, REASONS)}"
    else:
        text = (
            f"yesterday {who} met {chance.randrange(2, 90)} people {where} who were {lasting} "
            f"{what}"
        )
    end = "?" if text.startswith("Do you") else "."
    return text[0].upper() + text[1:] + end


def _one(chance: random.Random, lines: str) -> str:
    return chance.choice(lines.strip().split("\n"))
