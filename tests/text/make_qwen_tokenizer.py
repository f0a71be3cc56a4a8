#!/usr/bin/env python3
"""Writes Qwen2.5's tokenizer.json from its vocabulary in tiktoken's form (the Python package dashscope carries qwen.tiktoken).

    make_qwen_tokenizer.py qwen.tiktoken FOLDER
"""
import base64
import json
import sys
from pathlib import Path

PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPECIAL = ["endoftext", "im_start", "im_end", "object_ref_start", "object_ref_end", "box_start", "box_end", "quad_start", "quad_end",
           "vision_start", "vision_end", "vision_pad", "image_pad", "video_pad"]
PLAIN = ["<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"]


def alphabet():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [b for b in range(256) if b not in printable]
    return {**{b: chr(b) for b in printable}, **{b: chr(256 + i) for i, b in enumerate(hidden)}}


def halves(token, ranks):
    """The last merge that makes `token`: what BPE leaves of it with the merges before."""
    parts = [bytes([b]) for b in token]
    while len(parts) > 2:
        rank, at = min((ranks.get(a + b, len(ranks)), i) for i, (a, b) in enumerate(zip(parts, parts[1:])))
        if rank >= ranks[token]:
            break
        parts[at:at + 2] = [parts[at] + parts[at + 1]]
    return parts


def tokenizer(ranks):
    letters = alphabet()
    spelled = lambda token: "".join(letters[b] for b in token)
    by_rank = sorted((t for t in ranks if len(t) > 1), key=ranks.get)
    merges = [[spelled(p) for p in parts] for parts in (halves(t, ranks) for t in by_rank) if len(parts) == 2]
    names = [f"<|{name}|>" for name in SPECIAL] + PLAIN
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": len(ranks) + i, "content": n, **flags, "special": n not in PLAIN} for i, n in enumerate(names)],
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
        "post_processor": byte_level, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "", "end_of_word_suffix": "",
                  "fuse_unk": False, "byte_fallback": False, "vocab": {spelled(t): r for t, r in ranks.items()}, "merges": merges},
    }


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    lines = (line.split() for line in Path(sys.argv[1]).read_bytes().splitlines() if line)
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    made = tokenizer({base64.b64decode(token): int(rank) for token, rank in lines})
    (folder / "tokenizer.json").write_text(json.dumps(made, ensure_ascii=False), encoding="utf-8")
