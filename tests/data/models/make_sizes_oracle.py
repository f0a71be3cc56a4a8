"""Bytes of every unit as accelerate counts them on models without weights: the oracle of `describe`.
  python make_sizes_oracle.py > sizes_oracle.json
Configurations are written by transformers itself. Sizes are runs [units, bytes] along the chain. int8 and int4 are given to the
linear weights of decoder layers, as transformers' quantisers do; accelerate counts no scales. Rotary and scaling buffers belong
to no weight: their bytes stand apart."""
import json
import accelerate, torch, transformers
from accelerate import init_empty_weights
from accelerate.utils import CustomDtype, compute_module_sizes
from transformers import (Gemma2Config, Gemma2ForCausalLM, Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM, MistralConfig,
                          MistralForCausalLM, MixtralConfig, MixtralForCausalLM, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration,
                          Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM)

LLAMA, MISTRAL, MIXTRAL = (LlamaConfig, LlamaForCausalLM), (MistralConfig, MistralForCausalLM), (MixtralConfig, MixtralForCausalLM)
QWEN2, QWEN3 = (Qwen2Config, Qwen2ForCausalLM), (Qwen3Config, Qwen3ForCausalLM)
GEMMA2, GEMMA3 = (Gemma2Config, Gemma2ForCausalLM), (Gemma3TextConfig, Gemma3ForCausalLM)
VL = (Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration)
# name: family, layers, hidden, heads, kv heads, head size, intermediate, vocabulary, tied
PRESETS = {"qwen2.5-1.5b": (QWEN2, 28, 1536, 12, 2, 128, 8960, 151936, True), "qwen2.5-3b": (QWEN2, 36, 2048, 16, 2, 128, 11008, 151936, True),
           "qwen2.5-7b": (QWEN2, 28, 3584, 28, 4, 128, 18944, 152064, False), "qwen2.5-14b": (QWEN2, 48, 5120, 40, 8, 128, 13824, 152064, False),
           "qwen2.5-32b": (QWEN2, 64, 5120, 40, 8, 128, 27648, 152064, False), "qwen2.5-72b": (QWEN2, 80, 8192, 64, 8, 128, 29568, 152064, False),
           "qwen2.5-vl-72b": (VL, 80, 8192, 64, 8, 128, 29568, 152064, False), "qwen3-1.7b": (QWEN3, 28, 2048, 16, 8, 128, 6144, 151936, True),
           "qwen3-8b": (QWEN3, 36, 4096, 32, 8, 128, 12288, 151936, False), "llama-3.1-8b": (LLAMA, 32, 4096, 32, 8, 128, 14336, 128256, False),
           "llama-3.1-70b": (LLAMA, 80, 8192, 64, 8, 128, 28672, 128256, False), "mistral-7b": (MISTRAL, 32, 4096, 32, 8, 128, 14336, 32768, False),
           "mixtral-8x7b": (MIXTRAL, 32, 4096, 32, 8, 128, 14336, 32000, False), "mixtral-8x22b": (MIXTRAL, 56, 6144, 48, 8, 128, 16384, 32000, False),
           "gemma-3-1b": (GEMMA3, 26, 1152, 4, 1, 256, 6912, 262144, True), "smollm2-135m": (LLAMA, 30, 576, 9, 3, 64, 1536, 49152, True)}
# Sizes that no two dimensions share, and inputs that are no multiple of a group of 64.
TINY = [(family, 3, 48, 4, 2, 12, 100, 211, tied) for family in (LLAMA, MISTRAL, MIXTRAL, QWEN2, QWEN3, GEMMA2, GEMMA3) for tied in (False, True)]
TINY += [(VL, 3, 48, 4, 2, 12, 100, 211, False)]
EXTRA = {LlamaConfig: {"attention_bias": True, "mlp_bias": True}, MixtralConfig: {"num_local_experts": 5, "num_experts_per_tok": 3}}


def config_of(sizes, tiny):
    (kind, model), layers, hidden, heads, kv, head, intermediate, vocabulary, tied = sizes
    values = dict(num_hidden_layers=layers, hidden_size=hidden, num_attention_heads=heads, num_key_value_heads=kv, head_dim=head,
                  intermediate_size=intermediate, vocab_size=vocabulary, tie_word_embeddings=tied, bos_token_id=1, eos_token_id=2, pad_token_id=0)
    if kind is VL[0]:
        values |= {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [1, 2, 3] if tiny else [16, 24, 24]}}
        tower = dict(depth=2, hidden_size=20, num_heads=2, intermediate_size=52) if tiny else dict(depth=32, hidden_size=1280, num_heads=16, intermediate_size=3456)
        made = kind(text_config=values, vision_config=tower | {"out_hidden_size": hidden}, tie_word_embeddings=tied)
    else:
        made = kind(**values, **(EXTRA.get(kind, {}) if tiny else {}))
    made.architectures = [model.__name__]
    return made, model


def module_of(unit, vision):
    if not vision or unit == "lm_head":
        return unit
    return "model." + unit if unit.startswith("visual.") else unit.replace("model.", "model.language_model.", 1)


def units_of(config):
    vision = getattr(config, "vision_config", None)
    text = config.text_config if vision else config
    tower = ["visual.patch_embed", *(f"visual.blocks.{i}" for i in range(vision.depth)), "visual.merger"] if vision else []
    return tower + ["model.embed_tokens", *(f"model.layers.{i}" for i in range(text.num_hidden_layers)), "model.norm", "lm_head"]


def quantised(model, kind):
    """The linear weights of decoder layers: all matrices but routers, stacks of experts too."""
    names = (n for n, p in model.named_parameters() if ".layers." in n and p.dim() > 1 and not n.endswith(".gate.weight"))
    return {n: kind for n in names}


def sizes_of(model, config):
    vision = hasattr(config, "vision_config")
    found, apart = {}, {}
    for name, dtype, special in (("fp32", torch.float32, None), ("bf16", torch.bfloat16, None), ("fp16", torch.float16, None),
                                 ("int8", torch.bfloat16, quantised(model, torch.int8)), ("int4", torch.bfloat16, quantised(model, CustomDtype.INT4))):
        counted = compute_module_sizes(model, dtype=dtype, special_dtypes=special)
        buffers = {n: counted[n] for n, _ in model.named_buffers()}
        runs, total = [], 0
        for unit in units_of(config):
            module = module_of(unit, vision)
            size = counted.get(module, 0) - sum(b for n, b in buffers.items() if n.startswith(module + "."))
            assert size == int(size), (unit, size)
            total += size
            if runs and runs[-1][1] == size:
                runs[-1][0] += 1
            else:
                runs.append([1, int(size)])
        assert total + sum(buffers.values()) == counted[""], "a module belongs to no unit"
        found[name], apart[name] = runs, int(sum(buffers.values()))
    return {"sizes": found, "buffers": apart}


def case_of(sizes, preset=None):
    config, model_type = config_of(sizes, preset is None)
    with init_empty_weights(include_buffers=True):
        model = model_type(config)
    model.tie_weights()
    return {"preset": preset, "config": json.loads(config.to_json_string(use_diff=False)),
            "no_split": sorted(model._no_split_modules)} | sizes_of(model, config)


def main():
    cases = [case_of(sizes, name) for name, sizes in PRESETS.items()] + [case_of(sizes) for sizes in TINY]
    for c in cases:  # what planning does not read, and what is long
        for place in (c["config"], c["config"].get("text_config", {}), c["config"].get("vision_config", {})):
            for key in [k for k, v in place.items() if v is None or k in ("id2label", "label2id", "transformers_version", "output_attentions")]:
                if key != "sliding_window":
                    del place[key]
    print(json.dumps({"accelerate": accelerate.__version__, "transformers": transformers.__version__, "cases": cases}, separators=(",", ":")))


main()
