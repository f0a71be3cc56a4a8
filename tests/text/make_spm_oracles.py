#!/usr/bin/env python3
"""Makes the stored tokenizers of sentencepiece's kind, and what Hugging Face's tokenizers and sentencepiece make of the odd strings.

    make_spm_oracles.py

Needs the packages tokenizers and sentencepiece. Two models of a few hundred pieces are trained, BPE and Unigram; tokenizer.json
files with the settings of Llama 2, Mistral, Gemma 3 and others are made of their pieces.
"""
import base64
import io
import json
import re
import shutil
import tempfile
from pathlib import Path

import sentencepiece as spm
from tokenizers import Tokenizer

from make_oracles import DATA, expectations, write
from odd_strings import TRAINING, as_text, strings

SPECIAL = ["<unk>", "<s>", "</s>"]
FLAGS = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
RULES = {"\u00a0": " ", "\t": " ", "\u3000": " ", "\ufb01": "fi", "\u2168": "IX", "e\u0301": "\u00e9", "\u200b": "", "\u30ab\u3099": "\u30ac"}


def trained(kind, size, **options):
    out = io.BytesIO()
    text = [line for text in TRAINING * 4 for line in text.splitlines() if line]
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        for source, target in RULES.items():
            print(" ".join(f"{ord(c):X}" for c in source), " ".join(f"{ord(c):X}" for c in target), sep="\t", file=rules, flush=True)
        if kind == "unigram":
            options["normalization_rule_tsv"] = rules.name
        spm.SentencePieceTrainer.train(sentence_iterator=iter(text), model_writer=out, model_type=kind, vocab_size=size, byte_fallback=True,
                                       hard_vocab_limit=False, num_threads=1, minloglevel=2, split_digits=True, character_coverage=0.985, **options)
    return out.getvalue()


def fields(message):
    """(number, value) of a message in protobuf's wire format."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        number, wire = divmod(varint(), 8)
        size = {1: 8, 5: 4}.get(wire) if wire in (1, 5) else None
        if wire == 0:
            yield number, varint()
            continue
        size = varint() if size is None else size
        yield number, message[at:at + size]
        at += size


def charsmap(model):
    normalizer = dict(fields(dict(fields(model))[3]))
    return base64.b64encode(normalizer.get(2, b"")).decode()


def merges(pieces, scores):
    """Every way to make a piece of two others, best score first."""
    made = []
    for piece, score in scores.items():
        ways = [(piece[:i], piece[i:]) for i in range(1, len(piece)) if piece[:i] in pieces and piece[i:] in pieces]
        made += [(a, b, score) for a, b in sorted(ways, key=lambda w: (pieces[w[0]], pieces[w[1]]))]
    return [[a, b] for a, b, _ in sorted(made, key=lambda m: -m[2])]


def replace(what, by):
    return {"type": "Replace", "pattern": {"String": what}, "content": by}


def sequence(name, *parts):
    return {"type": "Sequence", name: list(parts)}


def template(*special, behind=()):
    around = [{"SpecialToken": {"id": s, "type_id": 0}} for s in special] + [{"Sequence": {"id": "A", "type_id": 0}}]
    around += [{"SpecialToken": {"id": s, "type_id": 0}} for s in behind]
    tokens = {s: {"id": s, "ids": [SPECIAL.index(s)], "tokens": [s]} for s in (*special, *behind)}
    return {"type": "TemplateProcessing", "single": around, "pair": around + [{"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": tokens}


def metaspace(scheme, split):
    return {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": scheme, "split": split}


TO_TEXT = [replace("\u2581", " "), {"type": "ByteFallback"}, {"type": "Fuse"}]
STRIP = {"type": "Strip", "content": " ", "start": 1, "stop": 0}


def files(bpe, unigram):
    """tokenizer.json of each kind: name -> parts."""
    p = spm.SentencePieceProcessor(model_proto=bpe)
    pieces = {p.id_to_piece(i): i for i in range(p.get_piece_size())}
    scores = {piece: p.get_score(i) for piece, i in pieces.items() if not (p.is_control(i) or p.is_unknown(i) or p.is_byte(i))}
    model = {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": True,
             "byte_fallback": True, "ignore_merges": False, "vocab": pieces, "merges": merges(pieces, scores)}
    u = spm.SentencePieceProcessor(model_proto=unigram)
    listed = [[u.id_to_piece(i), u.get_score(i)] for i in range(u.get_piece_size())]
    probable = {"type": "Unigram", "unk_id": 0, "vocab": listed, "byte_fallback": True}
    few = [entry for entry in listed if not entry[0].startswith("<0x") and entry[0] not in "xyz"]
    special = [{"id": i, "content": s, "special": True, **FLAGS} for i, s in enumerate(SPECIAL)]
    spoken = [{"id": len(pieces), "content": "<|im_end|>", "special": True, **FLAGS}, {"id": len(pieces) + 1, "content": "<think>", "special": False, **FLAGS},
              {"id": len(pieces) + 2, "content": "  <l>", "special": False, **{**FLAGS, "normalized": True}}]
    bare = {k: v for k, v in model.items() if k != "type"}
    return {
        "llama2": (special + spoken, sequence("normalizers", {"type": "Prepend", "prepend": "\u2581"}, replace(" ", "\u2581")), None, template("<s>"),
                   sequence("decoders", *TO_TEXT, STRIP), {**bare, "merges": [" ".join(m) for m in model["merges"]]}),
        "mistral": (special + spoken[:2], None, metaspace("first", False), template("<s>", behind=["</s>"]), sequence("decoders", *TO_TEXT, STRIP), model),
        "gemma": (special + spoken[:2], replace(" ", "\u2581"), {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
                  template("<s>"), sequence("decoders", *TO_TEXT), model),
        "metaspace": (special + spoken[:2], sequence("normalizers", {"type": "Strip", "strip_left": False, "strip_right": True}, {"type": "Lowercase"}),
                      sequence("pretokenizers", {"type": "Whitespace"}, metaspace("never", True)), None, metaspace("never", True),
                      {**model, "byte_fallback": False, "fuse_unk": False}),
        "unigram": (special, {"type": "Precompiled", "precompiled_charsmap": charsmap(unigram)}, metaspace("always", True), template(behind=["</s>"]),
                    metaspace("always", True), probable),
        "unigram_unknown": (special, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
                            sequence("pretokenizers", {"type": "WhitespaceSplit"}, {"type": "Punctuation", "behavior": "Isolated"}, metaspace("always", False)),
                            None, None, {"type": "Unigram", "unk_id": 0, "vocab": few}),
    }


def make_files(bpe, unigram):
    for name, (added, normalizer, cut, around, decoder, model) in files(bpe, unigram).items():
        path = DATA / f"{name}.tokenizer.json"
        write(path, {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": normalizer, "pre_tokenizer": cut,
                     "post_processor": around, "decoder": decoder, "model": model})
        write(DATA / f"{name}.expected.json", expectations(Tokenizer.from_file(str(path))))


def stretches(text, special):
    return [part for part in re.split("(" + "|".join(map(re.escape, special)) + ")", text) if part]


def make_folder(name, model, config):
    """A checkpoint's files without tokenizer.json; each stretch between special tokens goes to sentencepiece by itself."""
    folder = DATA / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "tokenizer.model").write_bytes(model)
    for file, content in config.items():
        write(folder / file, content)
    p = spm.SentencePieceProcessor(model_proto=model)
    ids = {s: i for i, s in enumerate(SPECIAL)} | {"<|im_end|>": p.get_piece_size()}
    texts = [as_text(s) for s in strings()]
    parts = [stretches(t, ids) for t in texts]
    plain = [i for i, part in enumerate(parts) if len(part) < 2 and (not part or part[0] not in ids)]
    encoded = [[i for s in part for i in ([ids[s]] if s in ids else p.encode(s))] for part in parts]
    write(DATA / f"{name}.expected.json", {"ids": encoded, "plain": plain, "decoded": [p.decode(encoded[i]) for i in plain]})


def main():
    bpe = trained("bpe", 700, normalization_rule_name="identity", remove_extra_whitespaces=False, allow_whitespace_only_pieces=True)
    unigram = trained("unigram", 520)
    make_files(bpe, unigram)
    token = {"content": "<|im_end|>", "special": True, **FLAGS}
    size = str(spm.SentencePieceProcessor(model_proto=bpe).get_piece_size())
    make_folder("spm_bpe", bpe, {"tokenizer_config.json": {"added_tokens_decoder": {size: token}, "bos_token": "<s>", "add_bos_token": True}})
    make_folder("spm_unigram", unigram, {"special_tokens_map.json": {"additional_special_tokens": ["<|im_end|>"], "eos_token": {"content": "</s>"}}})


if __name__ == "__main__":
    main()
