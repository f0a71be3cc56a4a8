#!/usr/bin/env python3
"""Turns a GGUF file of the Llama architecture into a Hugging Face checkpoint folder, without torch.

    convert_gguf.py MODEL.gguf FOLDER

Weights are dequantised and stored as bfloat16 (rounded to nearest even). Everything written comes from the GGUF's own
metadata, but for the pre-tokenizer, which GGUF stores as a name only.
"""
import json
import sys
from pathlib import Path

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize

TOP_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
SPECIAL_TOKEN_TYPES = {3, 4}  # gguf.TokenType.CONTROL and USER_DEFINED
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
PRE_TOKENIZERS = {
    "smollm": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, BYTE_LEVEL]},
}


def metadata_of(reader):
    return {key: field.contents() for key, field in reader.fields.items()}


def hugging_face_name(name):
    if name in TOP_NAMES:
        return TOP_NAMES[name]
    block, layer, kind, suffix = name.split(".")
    assert block == "blk" and suffix == "weight", name
    return f"model.layers.{layer}.{LAYER_NAMES[kind]}.weight"


def float32(value):
    """The shortest decimal of a float32: 1e-05, not 9.999999747378752e-06."""
    return float(str(np.float32(value)))


def model_config(meta, tied):
    llama = {key.removeprefix("llama."): value for key, value in meta.items()}
    heads = llama["attention.head_count"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": meta["tokenizer.ggml.bos_token_id"],
        "eos_token_id": meta["tokenizer.ggml.eos_token_id"],
        "head_dim": llama["embedding_length"] // heads,
        "hidden_act": "silu",
        "hidden_size": llama["embedding_length"],
        "initializer_range": 0.041666666666666664,
        "intermediate_size": llama["feed_forward_length"],
        "max_position_embeddings": llama["context_length"],
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": heads,
        "num_hidden_layers": llama["block_count"],
        "num_key_value_heads": llama["attention.head_count_kv"],
        "pad_token_id": meta["tokenizer.ggml.padding_token_id"],
        "pretraining_tp": 1,
        "rms_norm_eps": float32(llama["attention.layer_norm_rms_epsilon"]),
        "rope_scaling": None,
        "rope_theta": float32(llama["rope.freq_base"]),
        "tie_word_embeddings": tied,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": llama["vocab_size"],
    }


def special_tokens(meta):
    tokens, types = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.token_type"]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return [{"id": i, "content": tokens[i], **flags} for i, kind in enumerate(types) if kind in SPECIAL_TOKEN_TYPES]


def tokenizer(meta):
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special_tokens(meta),
        "normalizer": None,
        "pre_tokenizer": PRE_TOKENIZERS[meta["tokenizer.ggml.pre"]],
        "post_processor": None,
        "decoder": {**BYTE_LEVEL, "add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: i for i, token in enumerate(meta["tokenizer.ggml.tokens"])},
            "merges": meta["tokenizer.ggml.merges"],
        },
    }


def tokenizer_config(meta):
    token = lambda role: meta["tokenizer.ggml.tokens"][meta[f"tokenizer.ggml.{role}_token_id"]]
    return {
        "add_prefix_space": False,
        "added_tokens_decoder": {str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in special_tokens(meta)},
        "bos_token": token("bos"),
        "clean_up_tokenization_spaces": False,
        "eos_token": token("eos"),
        "model_max_length": meta["llama.context_length"],
        "pad_token": token("padding"),
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": token("unknown"),
    }


def generation_config(meta):
    ids = {"bos": "bos", "eos": "eos", "pad": "padding"}
    return {f"{name}_token_id": meta[f"tokenizer.ggml.{key}_token_id"] for name, key in ids.items()}


def to_bfloat16(values):
    """The upper half of each float32, rounded to nearest, ties to even; no weight is NaN."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def unpermuted(rows, heads):
    """llama.cpp interleaves the two halves of each head's rotary rows; Hugging Face keeps them one after the other."""
    half = rows.shape[0] // heads // 2
    return rows.reshape(heads, half, 2, -1).swapaxes(1, 2).reshape(rows.shape)


def weight(tensor, meta):
    values = dequantize(tensor.data, tensor.tensor_type)
    heads = {"attn_q": "llama.attention.head_count", "attn_k": "llama.attention.head_count_kv"}
    kind = tensor.name.split(".")[-2]
    return unpermuted(values, meta[heads[kind]]) if kind in heads else values


def write_safetensors(path, tensors, meta):
    header, end = {"__metadata__": {"format": "pt"}}, 0
    for tensor in tensors:
        shape = [int(n) for n in reversed(tensor.shape)]  # GGUF names the fastest dimension first
        begin, end = end, end + 2 * int(np.prod(shape))
        header[hugging_face_name(tensor.name)] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for done, tensor in enumerate(tensors, 1):
            out.write(to_bfloat16(weight(tensor, meta)).tobytes())
            print(f"\r  {done}/{len(tensors)} tensors", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    assert path.stat().st_size == 8 + len(text) + end


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def convert(source, folder):
    reader = GGUFReader(source)
    meta = metadata_of(reader)
    if meta["general.architecture"] != "llama" or meta["tokenizer.ggml.pre"] not in PRE_TOKENIZERS:
        sys.exit(f"{source}: only Llama models with one of the tokenizers {sorted(PRE_TOKENIZERS)} can be converted")
    tensors = sorted(reader.tensors, key=lambda tensor: hugging_face_name(tensor.name))
    tied = all(tensor.name != "output.weight" for tensor in tensors)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", model_config(meta, tied))
    write_json(folder / "generation_config.json", generation_config(meta))
    write_json(folder / "tokenizer.json", tokenizer(meta))
    write_json(folder / "tokenizer_config.json", tokenizer_config(meta))
    (folder / "chat_template.jinja").write_text(meta["tokenizer.chat_template"], encoding="utf-8")
    write_safetensors(folder / "model.safetensors", tensors, meta)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    convert(sys.argv[1], Path(sys.argv[2]))
