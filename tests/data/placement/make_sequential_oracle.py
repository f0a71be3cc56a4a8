"""Where accelerate's infer_auto_device_map puts random models under random limits: the oracle of `sequential`.
  python make_sequential_oracle.py > sequential_oracle.json
Limits within 4 KiB of another answer are left out: accelerate counts the few bytes of rotary buffers too."""
import json, random
import accelerate, torch, transformers
from accelerate import infer_auto_device_map, init_empty_weights
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

FAMILIES = [("llama", LlamaConfig, LlamaForCausalLM, "LlamaDecoderLayer"), ("qwen2", Qwen2Config, Qwen2ForCausalLM, "Qwen2DecoderLayer"),
            ("qwen3", Qwen3Config, Qwen3ForCausalLM, "Qwen3DecoderLayer")]
KEYS = ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "intermediate_size", "vocab_size",
        "tie_word_embeddings")
REST = {"max_position_embeddings": 4096, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "hidden_act": "silu", "torch_dtype": "bfloat16"}
SLACK = 4096


def units(layers):
    return ["model.embed_tokens", *(f"model.layers.{i}" for i in range(layers)), "model.norm", "lm_head"]


def devices_of(model, layer, limits):
    found = infer_auto_device_map(model, max_memory=dict(enumerate(limits)), no_split_module_classes=[layer], dtype=torch.bfloat16)
    def of(unit):
        holders = [m for m in found if m == "" or unit == m or unit.startswith(m + ".")]
        return found[max(holders, key=len)] if holders else None
    return [of(u) for u in units(model.config.num_hidden_layers)]


def main():
    random.seed(11)
    cases = []
    while len(cases) < 120:
        family, config_type, model_type, layer = random.choice(FAMILIES)
        heads = random.choice([2, 4, 8])
        config = config_type(hidden_size=32 * random.randint(8, 24), num_hidden_layers=random.randint(2, 12), num_attention_heads=heads,
                             num_key_value_heads=random.choice([1, heads]), head_dim=32, intermediate_size=64 * random.randint(8, 40),
                             vocab_size=1000 * random.randint(4, 24), tie_word_embeddings=random.random() < 0.4)
        with init_empty_weights(include_buffers=True):
            model = model_type(config)
        model.tie_weights()
        whole = 2 * sum(p.numel() for p in model.parameters())
        limits = [int(whole * random.uniform(0.1, 0.9)) for _ in range(random.randint(1, 4))]
        answer = devices_of(model, layer, limits)
        if any(devices_of(model, layer, [l + d for l in limits]) != answer for d in (-SLACK, SLACK)):
            continue
        if "disk" in answer and random.random() < 0.7:  # most cases are those that fit
            continue
        values = {k: getattr(config, k) for k in KEYS} | {"model_type": family, "architectures": [model_type.__name__]} | REST
        cases.append({"config": values, "limits": limits, "devices": answer})
    print(json.dumps({"accelerate": accelerate.__version__, "transformers": transformers.__version__, "cases": cases}, separators=(",", ":")))


main()
