"""`python -m streamformer_export`: the same as the command `streamformer-export`."""

from streamformer_export.cli import main

main()
