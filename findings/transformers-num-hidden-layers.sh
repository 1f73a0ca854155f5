#!/bin/sh
# transformers: a BART-like config.json with another num_hidden_layers than encoder_layers loads
# with num_hidden_layers since 5.
#
# One would expect: `encoder_layers`, the documented size of BART's, mBART's, Marian's and M2M100's
# encoder, decides how many layers it has, whatever else is in the file.
# What happens: transformers 4 writes `num_hidden_layers` beside it and keeps its old value when
# `encoder_layers` is changed. transformers 5 reads num_hidden_layers as another name of
# encoder_layers, and it wins: a student with 2 layers that 4.57 wrote and reads gets 12 in 5.24, of
# which 10 have random weights.
# Who is hurt: whoever loads a model that was shrunk by changing encoder_layers (distilled students)
# with transformers 5: only a log line says so, and the answers are noise.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 4.57.1 5.24.0; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check "transformers==$version"
done
"$folder/4.57.1/bin/python" - "$folder/config.json" <<'EOF'
import sys
from transformers import BartConfig

config = BartConfig(encoder_layers=12)
config.encoder_layers = 2
config.to_json_file(sys.argv[1])
EOF
grep -E 'encoder_layers|num_hidden_layers' "$folder/config.json"
for version in 4.57.1 5.24.0; do
    "$folder/$version/bin/python" - "$folder/config.json" > "$folder/$version.txt" 2>/dev/null <<'EOF'
import sys
from transformers import BartConfig

print(BartConfig.from_json_file(sys.argv[1]).encoder_layers)
EOF
    echo "transformers $version: encoder_layers = $(cat "$folder/$version.txt")"
done
# Seen: 2 in 4.57.1, 12 in 5.24.0.
[ "$(cat "$folder/4.57.1.txt")" = 2 ] && [ "$(cat "$folder/5.24.0.txt")" = 12 ]
