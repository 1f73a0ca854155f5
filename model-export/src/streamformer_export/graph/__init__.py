"""Writes ONNX graphs: a small builder, shared Transformer layers, and the decode loop."""
