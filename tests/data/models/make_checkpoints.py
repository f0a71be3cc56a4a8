#!/usr/bin/env python3
"""Makes the model oracles of this folder with transformers: run by hand, the outputs are kept in git.

    make_checkpoints.py tiny [NAME...]       random checkpoints of every supported family, with their expectations
    make_checkpoints.py smollm2 CHECKPOINT   expectations for SmolLM2-135M-Instruct as scripts/get_model makes it

Needs a full torch and transformers. Last run with torch 2.11.0 and transformers 5.23.0, eager attention on the CPU.

A tiny checkpoint's folder has config.json, its weights in fp32 and
    oracle.json          prompts: token ids, 200 greedy token ids (no stop token), the smallest gap between the two best
                         logits on the way (at least 5e-4: logits right within 1e-4 cannot swap them)
    logits.safetensors   prompt.N: [tokens, vocabulary] fp32 logits of every position of prompt N
smollm2_oracle.json has the chat prompts as text and ids, the 20 best tokens of the last position with their logits, 200
greedy tokens in fp32 with the gap at every step, 50 in bf16; smollm2_logits.safetensors the last position's fp32 logits.
"""
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (AutoModelForCausalLM, AutoTokenizer, Gemma2Config, Gemma3TextConfig, LlamaConfig, MistralConfig,
                          Qwen2Config, Qwen3Config)

HERE = Path(__file__).parent
GREEDY_TOKENS = 200
SMALLEST_GAP = 5e-4
PROMPT_LENGTHS = (1, 9, 37)
COMMON = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "max_position_embeddings": 1024}

# Sizes are odd on purpose: 7 query heads to one key head, heads that do not divide the hidden size, no power of two.
TINY = {
    "tiny_llama": LlamaConfig(
        vocab_size=331, hidden_size=42, intermediate_size=60, num_hidden_layers=4, num_attention_heads=7,
        num_key_value_heads=1, tie_word_embeddings=False, rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, **COMMON),
    "tiny_llama3_rope": LlamaConfig(
        vocab_size=307, hidden_size=40, intermediate_size=52, num_hidden_layers=5, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=True, rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
                         "high_freq_factor": 4.0, "original_max_position_embeddings": 64}, **COMMON),
    "tiny_qwen2": Qwen2Config(
        vocab_size=347, hidden_size=48, intermediate_size=76, num_hidden_layers=3, num_attention_heads=6,
        num_key_value_heads=2, tie_word_embeddings=True, rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0}, **COMMON),
    "tiny_qwen3": Qwen3Config(
        vocab_size=389, hidden_size=36, intermediate_size=60, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, tie_word_embeddings=False, rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": 1000000.0}, **COMMON),
    # Every layer slides; the window is shorter than two of the prompts and than every answer.
    "tiny_mistral": MistralConfig(
        vocab_size=293, hidden_size=44, intermediate_size=52, num_hidden_layers=3, num_attention_heads=6,
        num_key_value_heads=2, head_dim=10, tie_word_embeddings=False, rms_norm_eps=1e-5, sliding_window=7,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, **COMMON),
    # The last layers slide; YaRN with every key that changes a number.
    "tiny_qwen2_yarn": Qwen2Config(
        vocab_size=283, hidden_size=48, intermediate_size=52, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=1, tie_word_embeddings=False, rms_norm_eps=1e-6, use_sliding_window=True, sliding_window=19,
        max_window_layers=1,
        rope_parameters={"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "beta_fast": 20.0, "beta_slow": 1.5,
                         "truncate": False, "original_max_position_embeddings": 64}, **COMMON),
    # Biases everywhere, linear scaling.
    "tiny_llama_bias": LlamaConfig(
        vocab_size=269, hidden_size=36, intermediate_size=44, num_hidden_layers=3, num_attention_heads=3,
        num_key_value_heads=3, head_dim=14, tie_word_embeddings=True, rms_norm_eps=1e-5, attention_bias=True, mlp_bias=True,
        rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.5}, **COMMON),
    "tiny_gemma2": Gemma2Config(
        vocab_size=277, hidden_size=42, intermediate_size=52, num_hidden_layers=4, num_attention_heads=6,
        num_key_value_heads=3, head_dim=8, query_pre_attn_scalar=11, sliding_window=9, attn_logit_softcapping=6.0,
        final_logit_softcapping=20.0, rms_norm_eps=1e-6,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, **COMMON),
    # Two local layers to a global one, a base each, the global one stretched.
    "tiny_gemma3": Gemma3TextConfig(
        vocab_size=263, hidden_size=40, intermediate_size=52, num_hidden_layers=5, num_attention_heads=4,
        num_key_value_heads=1, head_dim=12, query_pre_attn_scalar=17, sliding_window=11, rms_norm_eps=1e-6,
        layer_types=["sliding_attention", "sliding_attention", "full_attention"] + ["sliding_attention"] * 2,
        rope_parameters={"full_attention": {"rope_type": "linear", "rope_theta": 1000000.0, "factor": 8.0},
                         "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}, **COMMON),
}
SHARDED = {"tiny_llama3_rope", "tiny_gemma3"}  # stored in several files with an index
NEWEST_CONFIG_FORM = {"tiny_qwen3", "tiny_gemma3", "tiny_qwen2_yarn"}  # keeps transformers 5's rope_parameters; the others say rope_theta, rope_scaling

CHATS = (
    "What is the capital of France?",
    "Write a short story about a lighthouse keeper who finds a message in a bottle.",
    "Here are my notes from the meeting: the new bridge opens in spring, the budget is 12,500 euros short, the painters "
    "start on the 3rd of March and need two weeks, Anna asks for a second crane, and the town wants to plant 40 trees "
    "along the river before the opening. Please sort these notes by urgency, explain your order in a few sentences, "
    "and list the questions that I should ask the town.",
)


def old_config_form(config):
    """config.json as transformers 4 wrote it, and as most published checkpoints have it."""
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    config["torch_dtype"] = config.pop("dtype")
    return config


def random_model(config, seed):
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            gemma = config.model_type.startswith("gemma")
            if "norm" in name:
                parameter.uniform_(0.5, 1.5)
                if gemma and name == "model.norm.weight":
                    parameter.mul_(6.0)
                if gemma:
                    parameter.sub_(1.0)  # stored as the difference from 1
            elif gemma and "embed_tokens" in name:
                parameter.normal_(0.0, 0.06)  # scaled up, and the head too: larger, it would repeat its input for ever
            elif name.endswith("bias"):
                parameter.normal_(0.0, 0.3)
            else:
                parameter.normal_(0.0, 0.25)
    return model


@torch.no_grad()
def greedy(model, prompt, count):
    """Token ids and, at each step, how far the best logit was ahead of the second."""
    ids, gaps, cache, step = [], [], None, torch.tensor([prompt])
    for _ in range(count):
        out = model(step, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        best = out.logits[0, -1].float().topk(2)
        ids.append(best.indices[0].item())
        gaps.append((best.values[0] - best.values[1]).item())
        step = torch.tensor([[ids[-1]]])
    return ids, gaps


@torch.no_grad()
def check_without_cache(model, prompt, ids):
    logits = model(torch.tensor([prompt + ids[:-1]])).logits[0]
    assert logits[len(prompt) - 1 :].argmax(-1).tolist() == ids


def write_json(path, prompts):
    """A line for every key: readable, small, and a changed token shows in a diff."""
    rows = (",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in prompt.items()) for prompt in prompts)
    path.write_text('{"prompts": [\n {\n' + "\n },\n {\n".join(rows) + "\n }\n]}\n", encoding="utf-8")


def expectations(model, vocabulary, seed):
    """Random prompts, their logits and greedy tokens; None where a continuation hardly varies or has a near-tie."""
    generator = torch.Generator().manual_seed(seed)
    prompts, logits = [], {}
    for index, length in enumerate(PROMPT_LENGTHS):
        prompt = torch.randint(3, vocabulary, (length,), generator=generator).tolist()
        ids, gaps = greedy(model, prompt, GREEDY_TOKENS)
        if len(set(ids)) < 30 or min(gaps) < SMALLEST_GAP:
            return None
        check_without_cache(model, prompt, ids)
        with torch.no_grad():
            logits[f"prompt.{index}"] = model(torch.tensor([prompt])).logits[0].contiguous()
        prompts.append({"prompt_token_ids": prompt, "greedy_token_ids": ids, "smallest_gap": round(min(gaps), 6)})
    return prompts, logits


def make_tiny(name, config):
    folder = HERE / name
    for seed in range(100):
        model = random_model(config, seed)
        if found := expectations(model, config.vocab_size, seed + 1000):
            break
    prompts, logits = found
    print(name, "seed", seed, [(len(set(p["greedy_token_ids"])), p["smallest_gap"]) for p in prompts])
    model.save_pretrained(folder, **({"max_shard_size": "100KB"} if name in SHARDED else {}))
    (folder / "generation_config.json").unlink(missing_ok=True)
    if name not in NEWEST_CONFIG_FORM:
        path = folder / "config.json"
        path.write_text(json.dumps(old_config_form(json.loads(path.read_text())), indent=2) + "\n")
    save_file(logits, folder / "logits.safetensors")
    write_json(folder / "oracle.json", prompts)


def smollm2_prompt(model, bf16, tokenizer, text):
    prompt = tokenizer.apply_chat_template([{"role": "user", "content": text}], add_generation_prompt=True)["input_ids"]
    with torch.no_grad():
        last = model(torch.tensor([prompt])).logits[0, -1]
    top = last.topk(20)
    ids, gaps = greedy(model, prompt, GREEDY_TOKENS)
    check_without_cache(model, prompt, ids)
    answer = ids[: ids.index(model.config.eos_token_id)] if model.config.eos_token_id in ids else ids
    print(len(prompt), "smallest gap", min(gaps), repr(tokenizer.decode(answer)[:200]))
    return last, {
        "user": text,
        "prompt_token_ids": prompt,
        "top_token_ids": top.indices.tolist(),
        "top_logits": [round(v, 5) for v in top.values.tolist()],
        "greedy_token_ids": ids,
        "greedy_gaps": [round(gap, 5) for gap in gaps],
        "answer": tokenizer.decode(answer),
        "stops": len(answer) < len(ids),
        "bf16_greedy_token_ids": greedy(bf16, prompt, 50)[0],
    }


def make_smollm2(checkpoint):
    load = lambda dtype: AutoModelForCausalLM.from_pretrained(checkpoint, dtype=dtype, attn_implementation="eager").eval()
    model, bf16, tokenizer = load(torch.float32), load(torch.bfloat16), AutoTokenizer.from_pretrained(checkpoint)
    results = [smollm2_prompt(model, bf16, tokenizer, text) for text in CHATS]
    save_file({"prompt.0.last": results[0][0].contiguous()}, HERE / "smollm2_logits.safetensors")
    write_json(HERE / "smollm2_oracle.json", [prompt for _, prompt in results])


if __name__ == "__main__":
    if sys.argv[1:2] == ["tiny"]:
        for model_name in sys.argv[2:] or TINY:
            make_tiny(model_name, TINY[model_name])
    elif len(sys.argv) == 3 and sys.argv[1] == "smollm2":
        make_smollm2(sys.argv[2])
    else:
        sys.exit(__doc__)
