#!/usr/bin/env python3
"""Makes the stored expectations of tests/text with Hugging Face's tokenizers.

    make_oracles.py [MODELS]

Needs the package tokenizers. MODELS is a folder of checkpoints, each with a tokenizer.json; the tests run against them where
GPUPLACE_TEST_MODELS names it. Without it only the small tokenizers are made anew.
"""
import json
import sys
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from odd_strings import TRAINING, as_text, stored, strings

DATA = Path(__file__).resolve().parents[1] / "data" / "text"
QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
# Words end where a capital begins after a small letter; numbers are cut digit by digit.
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
          r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|"
          r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3 = QWEN.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def byte_level(use_regex=False, add_prefix_space=False):
    return pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space, use_regex=use_regex)


def plain(content, **flags):
    return AddedToken(content, normalized=flags.pop("normalized", False), **flags)


def trained(pre, norm=None, special=("<|endoftext|>", "<|im_start|>", "<|im_end|>"), ignore_merges=False, size=700):
    t = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    t.pre_tokenizer = pre_tokenizers.Sequence(pre) if len(pre) > 1 else pre[0]
    if norm is not None:
        t.normalizer = norm
    t.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    t.train_from_iterator(TRAINING, trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False))
    t.add_special_tokens([plain(s, special=True) for s in special])
    return t


def smollm():
    return trained([pre_tokenizers.Digits(individual_digits=True), byte_level(use_regex=True)])


def qwen():
    t = trained([split(QWEN), byte_level()], normalizers.NFC())
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    t.add_tokens([plain("<tool_call>"), plain("</tool_call>"), plain("<think>"), plain("</think>")])
    return t


def llama3():
    t = trained([split(LLAMA3), byte_level()], special=("<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>"), ignore_merges=True)
    bos = t.token_to_id("<|begin_of_text|>")
    template = processors.TemplateProcessing("<|begin_of_text|> $A", "<|begin_of_text|> $A $B", [("<|begin_of_text|>", bos)])
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    return t


def tekken():
    t = trained([split(TEKKEN), byte_level()], special=("<unk>", "<s>", "</s>", "[INST]", "[/INST]"), ignore_merges=True)
    t.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A $B", [("<s>", t.token_to_id("<s>"))])
    return t


def flags():
    """Every flag of an added token, a prefix space, NFKC, and a cut of each behaviour."""
    cuts = [split(r"\d+", "contiguous"), split(",", "merged_with_previous"), split(r"[#@]", "merged_with_next"),
            pre_tokenizers.Split("~", "removed", False)]
    t = trained([*cuts, byte_level(use_regex=True, add_prefix_space=True)], normalizers.Sequence([normalizers.NFD(), normalizers.NFKC()]))
    t.add_tokens([plain("word", single_word=True), plain("<l>", lstrip=True), plain("<r>", rstrip=True), plain("<lr>", lstrip=True, rstrip=True),
                  plain("\ufb01n", normalized=True), plain("caf\u00e9", normalized=True), plain("<l><r>"), plain("Im_", single_word=True, normalized=True)])
    return t


def with_string_merges(path):
    """Older files have "a b" where newer ones have ["a", "b"]."""
    file = json.loads(path.read_text(encoding="utf-8"))
    file["model"]["merges"] = [m if isinstance(m, str) else " ".join(m) for m in file["model"]["merges"]]
    path.write_text(json.dumps(file, ensure_ascii=False), encoding="utf-8")


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")


def expectations(tokenizer):
    texts = [as_text(s) for s in strings()]
    encoded = [tokenizer.encode(t).ids for t in texts]
    return {
        "size": tokenizer.get_vocab_size(),
        "ids": encoded,
        "bare_ids": [tokenizer.encode(t, add_special_tokens=False).ids for t in texts],
        "decoded": [tokenizer.decode(ids) for ids in encoded],
        "decoded_with_special": [tokenizer.decode(ids, skip_special_tokens=False) for ids in encoded],
        "decoded_without_first": [tokenizer.decode(ids[1:], skip_special_tokens=False) for ids in encoded],
    }


def make_tokenizers():
    for name, make in {"smollm": smollm, "qwen": qwen, "llama3": llama3, "tekken": tekken, "flags": flags}.items():
        path = DATA / f"{name}.tokenizer.json"
        make().save(str(path), pretty=False)
        if name in ("smollm", "flags"):
            with_string_merges(path)
        write(DATA / f"{name}.expected.json", expectations(Tokenizer.from_file(str(path))))


def make_models(models_folder):
    for folder in sorted(p for p in models_folder.iterdir() if p.is_dir()):
        if (folder / "tokenizer.json").exists():
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            write(DATA / f"{folder.name}.model.json", expectations(tokenizer))


if __name__ == "__main__":
    DATA.mkdir(parents=True, exist_ok=True)
    write(DATA / "strings.json", [stored(s) for s in strings()])
    make_tokenizers()
    if len(sys.argv) > 1:
        make_models(Path(sys.argv[1]))
