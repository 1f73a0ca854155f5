"""Trains, fine-tunes and exports Transformer models as Streamformer bundles."""
