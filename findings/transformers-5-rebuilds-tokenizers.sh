#!/usr/bin/env bash
# One would expect that AutoTokenizer reads a text as the folder's tokenizer.json says: the file has
# its normalizer, its pre-tokenizer and its template, and every other reader of it takes them.
#
# What happens: for a class with a constructor of its own (BertTokenizer, GPT2Tokenizer,
# RobertaTokenizer, XLMRobertaTokenizer, T5Tokenizer, ...) transformers 5 takes the vocabulary alone
# and builds the other parts by the class, without a message. Digits that the file splits are
# joined, accents that it keeps are dropped, and save_pretrained writes that over the file. The same
# folder gives other ids in transformers 4 and in the tokenizers library.
#
# Who is hurt: everyone whose model was trained with a changed tokenizer.json.
#
# Seen with transformers 5.24.0 and tokenizers 0.23.3: "2 0 2 6 café" by the file, "2026 cafe" by
# the class, and from the folder that it saved.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    'transformers==5.24.0' 'tokenizers==0.23.3'
cat > "$folder/run.py" <<'PYTHON'
import json, pathlib, sys
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer

model = pathlib.Path(sys.argv[1], "model")
model.mkdir()
pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "2026", "2", "0", "6", "cafe", "caf\u00e9"]
whole = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]"))
whole.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
whole.pre_tokenizer = pre_tokenizers.Sequence(
    [pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Digits(individual_digits=True)]
)
whole.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
whole.add_special_tokens(pieces[:5])
whole.save(str(model / "tokenizer.json"))
(model / "config.json").write_text(json.dumps({"model_type": "bert"}))
(model / "tokenizer_config.json").write_text(
    json.dumps({"tokenizer_class": "BertTokenizer", "strip_accents": False})
)
text = "2026 caf\u00e9"
by_file = whole.encode(text).tokens
by_class = AutoTokenizer.from_pretrained(model)
by_class.save_pretrained(model.with_name("saved"))
saved = Tokenizer.from_file(str(model.with_name("saved") / "tokenizer.json")).encode(text).tokens
print("tokenizer.json:      ", by_file)
print("AutoTokenizer:       ", by_class.tokenize(text))
print("after save_pretrained", saved)
assert by_file == ["[CLS]", "2", "0", "2", "6", "caf\u00e9", "[SEP]"]
assert by_class.tokenize(text) == ["2026", "caf\u00e9"], "transformers keeps the file's parts now"
assert saved == ["[CLS]", "2026", "caf\u00e9", "[SEP]"]
PYTHON
"$folder/venv/bin/python" "$folder/run.py" "$folder"
