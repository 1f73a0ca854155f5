"""Training: data in, ordinary Hugging Face folders out.

Only `translation`, `classification` and `device` import torch; the rest is plain Python and numpy.
"""
