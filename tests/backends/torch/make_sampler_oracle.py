"""Writes tests/data/sampler.json: what transformers' logits processors leave of some logits.

Run with transformers and torch installed: python tests/backends/torch/make_sampler_oracle.py
"""

import itertools
import json
import pathlib

import torch
from transformers import generation as g

torch.manual_seed(7)
VOCABULARY = 60


def case(number, temperature, top_k, top_p, min_p, repetition, forbidden):
    logits = (torch.randn(VOCABULARY) * 3 * 64).round() / 64  # exact in few digits
    logits += torch.randperm(VOCABULARY) / 8192  # all different
    if number % 3 == 0 and top_p == 1:  # ties, also at the edge of the top k; which of two like tokens top-p keeps is chance
        logits = (logits * 2).round() / 2
    history = torch.randint(0, VOCABULARY, (12,))
    processors = g.LogitsProcessorList()
    if repetition != 1:
        processors.append(g.RepetitionPenaltyLogitsProcessor(repetition))
    if forbidden:
        processors.append(g.SuppressTokensLogitsProcessor(forbidden, device="cpu"))
    if temperature != 1:
        processors.append(g.TemperatureLogitsWarper(temperature))
    if top_k:
        processors.append(g.TopKLogitsWarper(top_k))
    if top_p < 1:
        processors.append(g.TopPLogitsWarper(top_p))
    if min_p:
        processors.append(g.MinPLogitsWarper(min_p))
    left = processors(history[None], logits[None].clone())[0]
    probabilities = torch.softmax(left.double(), -1)
    return {
        "temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p, "repetition_penalty": repetition,
        "forbidden": forbidden, "history": history.tolist(), "logits": logits.tolist(),
        "kept": {str(i): p for i, p in enumerate(probabilities.tolist()) if p > 0},
        "logprobs": [round(x, 7) for x in torch.log_softmax(logits.double(), -1).tolist()],
    }


settings = itertools.product((0.6, 1.0, 1.7), (0, 1, 8), (1.0, 0.9, 0.4), (0.0, 0.05, 0.3), (1.0, 1.4, 0.8))
cases = [case(i, *s, [3, 17] if i % 4 == 1 else []) for i, s in enumerate(settings)][::5]
target = pathlib.Path(__file__).parents[2] / "data" / "sampler.json"
target.write_text(json.dumps(cases, separators=(",", ":")) + "\n")
print(len(cases), "cases in", target.stat().st_size, "bytes")
