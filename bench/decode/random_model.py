#!/usr/bin/env python3
"""Writes a checkpoint of a published shape with random bf16 weights, for timing where the real one cannot be fetched.

    random_model.py qwen3-8b|qwen3-1.7b|qwen2.5-72b FOLDER [--also FOLDER] [--vocabulary N]

  --also        every second file lies there, with a link in FOLDER: for a model that fits neither disk nor memory alone
  --vocabulary  another number of tokens, such as that of a tokenizer which decodes what the model says
"""
import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from safetensors.torch import save_file

# layers, hidden, heads, key-value heads, intermediate, vocabulary, tied
SHAPES = {"qwen3-8b": (36, 4096, 32, 8, 12288, 151936, False), "qwen3-1.7b": (28, 2048, 16, 8, 6144, 151936, True),
          "qwen2.5-72b": (80, 8192, 64, 8, 29568, 152064, False)}
HEAD = 128


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("shape", choices=SHAPES)
    options.add_argument("folder", type=Path)
    options.add_argument("--also", type=Path)
    options.add_argument("--vocabulary", type=int)
    asked = options.parse_args()
    layers, hidden, heads, kv, intermediate, vocabulary, tied = SHAPES[asked.shape]
    vocabulary = asked.vocabulary or vocabulary
    third = asked.shape.startswith("qwen3")  # norms of queries and keys; the second has biases
    asked.folder.mkdir(parents=True, exist_ok=True)
    asked.folder.joinpath("config.json").write_text(json.dumps(
        {"architectures": ["Qwen3ForCausalLM" if third else "Qwen2ForCausalLM"], "model_type": "qwen3" if third else "qwen2",
         "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv, "head_dim": HEAD,
         "intermediate_size": intermediate, "vocab_size": vocabulary, "rms_norm_eps": 1e-6, "rope_theta": 1000000,
         "max_position_embeddings": 40960, "tie_word_embeddings": tied, "hidden_act": "silu", "torch_dtype": "bfloat16",
         "eos_token_id": 151645 if vocabulary > 151645 else 2, **({"attention_bias": False} if third else {})}))
    device = "cuda" if torch.cuda.is_available() else "cpu"

    def random(*shape):
        return (torch.randn(*shape, device=device, dtype=torch.bfloat16) * 0.02).cpu()

    def norm(width):
        return torch.empty(width, dtype=torch.bfloat16).uniform_(0.8, 1.2)

    def layer(i):
        at = f"model.layers.{i}."
        tensors = {
            at + "input_layernorm.weight": norm(hidden), at + "post_attention_layernorm.weight": norm(hidden),
            at + "self_attn.q_proj.weight": random(heads * HEAD, hidden), at + "self_attn.k_proj.weight": random(kv * HEAD, hidden),
            at + "self_attn.v_proj.weight": random(kv * HEAD, hidden), at + "self_attn.o_proj.weight": random(hidden, heads * HEAD),
            at + "mlp.gate_proj.weight": random(intermediate, hidden), at + "mlp.up_proj.weight": random(intermediate, hidden),
            at + "mlp.down_proj.weight": random(hidden, intermediate)}
        if third:
            return tensors | {at + "self_attn.q_norm.weight": norm(HEAD), at + "self_attn.k_norm.weight": norm(HEAD)}
        biases = {"q_proj": heads, "k_proj": kv, "v_proj": kv}
        return tensors | {f"{at}self_attn.{name}.bias": random(width * HEAD) for name, width in biases.items()}

    def ends():
        head = {} if tied else {"lm_head.weight": random(vocabulary, hidden)}
        return {"model.embed_tokens.weight": random(vocabulary, hidden), "model.norm.weight": norm(hidden), **head}

    def write(number):
        name = f"model-{number:05}.safetensors" if number < layers else "model-ends.safetensors"
        if asked.also and number % 2:
            asked.also.mkdir(parents=True, exist_ok=True)
            asked.folder.joinpath(name).unlink(missing_ok=True)
            asked.folder.joinpath(name).symlink_to(asked.also.resolve() / name)
        torch.manual_seed(number)
        tensors = layer(number) if number < layers else ends()
        save_file(tensors, str(asked.folder / name))
        return {tensor: name for tensor in tensors}

    index = {}
    with ThreadPoolExecutor(8) as pool:
        for part in pool.map(write, range(layers + 1)):
            index.update(part)
    asked.folder.joinpath("model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))


if __name__ == "__main__":
    main()
