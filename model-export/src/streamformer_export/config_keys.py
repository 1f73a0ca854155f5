"""Keys of model folders that change no answer, each with its reason; docs/keys.md shows them all.

A scope is a kind of model, a family or a file. A key that a family takes is not ignored there.
"""

from __future__ import annotations

TRAINING = "Only training reads it."
NAMES = "It names the model or the program that wrote it."
KERNELS = "It says how the same numbers are computed or stored."
RETURNS = "It says what a call returns."
OLDER = "transformers no longer reads it."
TOKENIZER = "Only the tokenizer reads it."
OTHERS = "Another library's hint, which transformers does not read."
HEADS = "Only heads that no task has read it."
SEARCH = "It says how `generate` works, and does not change what it finds."

# Scope → reason → keys.
_KEPT: dict[str, dict[str, tuple[str, ...]]] = {
    "any": {
        TRAINING: (
            "activation_dropout",
            "attention_dropout",
            "attention_probs_dropout_prob",
            "attn_pdrop",
            "classif_dropout",
            "classifier_dropout",
            "classifier_dropout_prob",
            "decoder_layerdrop",
            "dropout",
            "dropout_rate",
            "embd_pdrop",
            "encoder_layerdrop",
            "finetuning_task",
            "gradient_checkpointing",
            "hidden_dropout_prob",
            "init_std",
            "initializer_factor",
            "initializer_range",
            "label_smoothing",
            "layerdrop",
            "loss_type",
            "qa_dropout",
            "resid_pdrop",
            "seq_classif_dropout",
            "summary_first_dropout",
            "summary_last_dropout",
            "tf_legacy_loss",
        ),
        NAMES: (
            "_commit_hash",
            "_name_or_path",
            "language",
            "library_name",
            "name",
            "name_or_path",
            "transformers_version",
        ),
        KERNELS: (
            "_attn_implementation",
            "_attn_implementation_autoset",
            "_attn_implementation_internal",
            "_experts_implementation",
            "_experts_implementation_internal",
            "_flash_attn_2_enabled",
            "attn_implementation",
            "chunk_size_feed_forward",
            "dtype",
            "torch_dtype",
            "torchscript",
            "use_bfloat16",
            "quantization_config",
            "use_cache",
            "xla_device",
        ),
        RETURNS: (
            "keys_to_ignore_at_inference",
            "num_return_sequences",
            "output_attentions",
            "output_hidden_states",
            "output_past",
            "output_scores",
            "return_dict",
            "return_dict_in_generate",
        ),
        OLDER: (
            "_num_labels",
            "cross_attention_hidden_size",
            "tie_weights_",
        ),
        TOKENIZER: (
            "bos_token_id",
            "cls_token_id",
            "mask_token_id",
            "model_max_length",
            "sep_token_id",
            "tokenizer_class",
            "unk_token_id",
        ),
        OTHERS: (
            "neuron",
            "transformers.js_config",
            "unsloth_fixed",
            "unsloth_version",
        ),
        HEADS: (
            "summary_activation",
            "summary_proj_to_labels",
            "summary_type",
            "summary_use_proj",
        ),
    },
    "encoder": {
        "An encoder does not generate.": (
            "decoder_start_token_id",
            "eos_token_id",
            "max_time",
            "prefix",
            "task_specific_params",
        ),
        "It ties the head of a language model, which no task has.": ("tie_word_embeddings",),
        "transformers' class does not read it.": ("embedding_size",),
        "Only a text classifier has scores.": (
            "function_to_apply",
            "problem_type",
            "sbert_ce_default_activation_function",
            "sentence_transformers",
        ),
    },
    "generator": {
        "Only encoders with a head read it.": (
            "id2label",
            "label2id",
            "num_labels",
            "problem_type",
        ),
        "Only encoders read it.": (
            "hidden_act",
            "intermediate_size",
            "layer_norm_eps",
            "position_embedding_type",
            "type_vocab_size",
        ),
        "The table of positions has these rows.": ("extra_pos_embeddings",),
    },
    "bert": {
        "It describes a pooler that transformers does not have.": (
            "directionality",
            "pooler_fc_size",
            "pooler_num_attention_heads",
            "pooler_num_fc_layers",
            "pooler_size_per_head",
            "pooler_type",
        ),
    },
    "distilbert": {
        "The table of positions is stored, sinusoidal or not.": ("sinusoidal_pos_embds",),
        "DistilBERT has no token types.": ("type_vocab_size",),
    },
    "gpt2": {
        "n_positions took its place.": ("n_ctx",),
        "A decoder is one whatever this says.": ("is_decoder",),
        KERNELS: ("reorder_and_upcast_attn",),
    },
    "generation_config.json": {
        SEARCH: (
            "_from_model_config",
            "cache_implementation",
            "max_time",
            "num_return_sequences",
            "output_attentions",
            "output_hidden_states",
            "output_logits",
            "output_scores",
            "return_dict_in_generate",
            "transformers_version",
            "use_cache",
        ),
        TOKENIZER: ("bos_token_id",),
    },
    "sentence_bert_config.json": {
        "The tokenizer's longest input, which `export` reads with the tokenizer.": (
            "max_seq_length",
        ),
    },
    "config_sentence_transformers.json": {
        KERNELS: ("keep_in_fp32_modules",),
        NAMES: ("__version__", "model_type", "requirements"),
        "What a caller may ask for, and how a caller compares embeddings.": (
            "prompts",
            "similarity_fn_name",
        ),
    },
    "1_Pooling/config.json": {
        "The weights tell the width.": ("embedding_dimension", "word_embedding_dimension"),
    },
    "sentence_transformers": {NAMES: ("version",)},
    "marian-student": {
        "A transformer with an SSRU decoder does not use it, or the tensors tell it.": (
            "bert-train-type-embeddings",
            "bert-type-vocab-size",
            "dec-cell-high-depth",
            "dim-rnn",
            "enc-cell",
            "enc-cell-depth",
            "enc-type",
            "input-types",
            "layer-normalization",
            "lemma-dependency",
            "skip",
            "tied-embeddings",
            "tied-embeddings-src",
            "transformer-aan-activation",
            "transformer-aan-depth",
            "transformer-aan-nogate",
            "transformer-dim-aan",
            "transformer-dim-ffn",
            "transformer-guided-alignment-layer",
            "ulr-dim-emb",
            "ulr-trainable-transformation",
            "version",
        ),
    },
}

# Keys of which we know more than that they are unknown: how their error goes on.
REFUSED = {
    "auto_map": "names code in the model folder, which Streamformer does not run. If transformers' "
    "own class gives the right answers (it is taken without trust_remote_code), add "
    "--ignore-key auto_map.",
    "quantization_config": "says that the weights are quantized. Export the model before it was "
    "quantized. If its weights are plain floating-point numbers, add "
    "--ignore-key quantization_config.",
}

# Other names of keys, as transformers' attribute_map has them, by the families' modules.
_BART = {
    "hidden_size": "d_model",
    "num_attention_heads": "encoder_attention_heads",
    "num_hidden_layers": "encoder_layers",
}
ALIASES: dict[str, dict[str, str]] = {
    "bart": _BART,
    "distilbert": {
        "hidden_size": "dim",
        "num_attention_heads": "n_heads",
        "num_hidden_layers": "n_layers",
    },
    "gpt2": {
        "hidden_size": "n_embd",
        "max_position_embeddings": "n_positions",
        "num_attention_heads": "n_head",
        "num_hidden_layers": "n_layer",
    },
    "m2m_100": _BART,
    "marian": _BART,
    "mbart": _BART,
    "t5": {
        "head_dim": "d_kv",
        "hidden_size": "d_model",
        "num_attention_heads": "num_heads",
        "num_hidden_layers": "num_layers",
    },
}


def ignored(*scopes: str) -> dict[str, str]:
    """The keys that change no answer in these scopes, and why."""
    return {
        key: reason
        for scope in scopes
        for reason, keys in _KEPT.get(scope, {}).items()
        for key in keys
    }


def scopes() -> tuple[str, ...]:
    """All scopes, in the order of the documentation."""
    return tuple(_KEPT)
