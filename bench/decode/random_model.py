#!/usr/bin/env python3
"""Writes a checkpoint of a published shape with random bf16 weights, for timing where the real one cannot be fetched.

    random_model.py qwen3-8b|qwen3-1.7b FOLDER
"""
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

# layers, hidden, heads, key-value heads, intermediate, tied
SHAPES = {"qwen3-8b": (36, 4096, 32, 8, 12288, False), "qwen3-1.7b": (28, 2048, 16, 8, 6144, True)}
HEAD, VOCABULARY = 128, 151936


def main():
    layers, hidden, heads, kv, intermediate, tied = SHAPES[sys.argv[1]]
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    folder.joinpath("config.json").write_text(json.dumps(
        {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": hidden, "num_hidden_layers": layers,
         "num_attention_heads": heads, "num_key_value_heads": kv, "head_dim": HEAD, "intermediate_size": intermediate,
         "vocab_size": VOCABULARY, "rms_norm_eps": 1e-6, "rope_theta": 1000000, "max_position_embeddings": 40960,
         "tie_word_embeddings": tied, "hidden_act": "silu", "attention_bias": False, "torch_dtype": "bfloat16", "eos_token_id": 151645}))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(1)

    def random(*shape):
        return (torch.randn(*shape, device=device, dtype=torch.bfloat16) * 0.02).cpu()

    def norm(width):
        return torch.empty(width, dtype=torch.bfloat16).uniform_(0.8, 1.2)

    files = {}
    for i in range(layers):
        at = f"model.layers.{i}."
        tensors = {
            at + "input_layernorm.weight": norm(hidden), at + "post_attention_layernorm.weight": norm(hidden),
            at + "self_attn.q_proj.weight": random(heads * HEAD, hidden), at + "self_attn.k_proj.weight": random(kv * HEAD, hidden),
            at + "self_attn.v_proj.weight": random(kv * HEAD, hidden), at + "self_attn.o_proj.weight": random(hidden, heads * HEAD),
            at + "self_attn.q_norm.weight": norm(HEAD), at + "self_attn.k_norm.weight": norm(HEAD),
            at + "mlp.gate_proj.weight": random(intermediate, hidden), at + "mlp.up_proj.weight": random(intermediate, hidden),
            at + "mlp.down_proj.weight": random(hidden, intermediate)}
        files[f"model-{i:05}.safetensors"] = tensors
    ends = {"model.embed_tokens.weight": random(VOCABULARY, hidden), "model.norm.weight": norm(hidden)}
    if not tied:
        ends["lm_head.weight"] = random(VOCABULARY, hidden)
    files["model-ends.safetensors"] = ends
    index = {}
    for name, tensors in files.items():
        save_file(tensors, str(folder / name))
        index.update({tensor: name for tensor in tensors})
    folder.joinpath("model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))


if __name__ == "__main__":
    main()
