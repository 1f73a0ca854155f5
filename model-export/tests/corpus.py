# ruff: noqa: RUF001 - letters of other scripts are what this is about
"""Texts as streams have them: several scripts, emoji, URLs, odd spaces, spelled control tokens."""

from __future__ import annotations

import random

SCRIPTS = {
    "latin": "the a dog cat street house girl water running quickly straße café naïve déjà señor "
    "façade Zürich über élève garçon niño coração São œuvre smørrebrød żółć čeština ığdır",
    "greek": "ο σκύλος τρέχει στον δρόμο και η γάτα κοιμάται στο σπίτι ΑΘΗΝΑ",
    "cyrillic": "собака бежит по улице а кошка спит дома Москва щёлк об'єкт ЁЖ",
    "arabic": "الكلب يركض في الشارع والقطة تنام في البيت ١٢٣",
    "hebrew": "הכלב רץ ברחוב והחתול ישן בבית",
    "devanagari": "कुत्ता सड़क पर दौड़ता है और बिल्ली घर में सोती है",
    "thai": "สุนัขวิ่งบนถนน แมวนอนในบ้าน",
    "chinese": "狗在街上跑 猫在家里睡觉 你好 世界",
    "japanese": "犬が通りを走り、猫は家で眠る カタカナ ﾊﾝｶｸ",
    "korean": "개가 거리를 달리고 고양이는 집에서 잔다",
}
EMOJI = [
    "😀",
    "™️",
    "㊗️",
    "ℹ️",
    "🐶",
    "❤️",
    "👩\u200d👩\u200d👧",
    "🇫🇷",
    "👍🏽",
    "⚽",
    "❄️",
    "🏳️\u200d🌈",
    "☕",
    "1️⃣",
]
LINKS = (
    "https://example.org/a?b=c&d=e#f",
    "http://user:pass@example.com:8080/x%20y/",
    "www.example.net/~me",
    "someone@example.org",
    "@handle",
    "#hashtag_2026",
)
SPACES = (" ", "  ", "\t", "\n", "\u00a0", "\u3000", "\u200b", "\u2009", " \r\n ", "")
CONTROLS = ("</s>", "<unk>", "<pad>", "<s>", "[CLS]", "[SEP]", "[MASK]", "<|endoftext|>", ">>fra<<")
ODD = (
    "\u2581",
    "ﬁ",
    "½",
    "Ⅷ",
    "ｆｕｌｌ",
    "e\u0301",
    "²",
    "…",
    "“quoted”",
    "it's",
    "$19.99",
    "50%",
)


def lines(count: int, seed: int = 0, controls: bool = True) -> list[str]:
    """The same texts for the same arguments."""
    chance = random.Random(seed)
    words = {script: text.split() for script, text in SCRIPTS.items()}
    texts = []
    for _ in range(count):
        script = chance.choice(list(words))
        parts = []
        for _ in range(chance.randint(1, 14)):
            kind = chance.random()
            if kind < 0.72:
                parts.append(chance.choice(words[script]))
            elif kind < 0.78:
                parts.append(chance.choice(words["latin"]).upper())
            elif kind < 0.84:
                parts.append(chance.choice(EMOJI))
            elif kind < 0.88:
                parts.append(chance.choice(LINKS))
            elif kind < 0.93:
                parts.append(chance.choice(ODD))
            elif kind < 0.95 and controls:
                parts.append(chance.choice(CONTROLS))
            else:
                parts.append(str(chance.randint(0, 10 ** chance.randint(1, 9))))
            parts.append(" " if chance.random() < 0.8 else chance.choice(SPACES))
        texts.append("".join(parts) + chance.choice((".", "!", "?", "", " ", ",")))
    return texts
