"""Run by compare_vllm.py with the Python that has vLLM: times whole calls of LLM.generate.

    vllm_worker.py QUESTION.json ANSWER.json

QUESTION: folder, options (of LLM), rounds, and calls, each a batch, a prompt's tokens and the new tokens. ANSWER: versions, and the best
seconds of each call.
"""
import importlib.util
import json
import sys
import time


def seconds(llm, parameters, call):
    prompts = [{"prompt_token_ids": [100 + (row * 31 + i * 7) % 9000 for i in range(call["prompt"])]} for row in range(call["batch"])]
    begin = time.perf_counter()
    answers = llm.generate(prompts, sampling_params=parameters, use_tqdm=False)
    took = time.perf_counter() - begin
    lengths = sorted({len(answer.outputs[0].token_ids) for answer in answers})
    if len(answers) != call["batch"] or lengths != [call["tokens"]]:
        raise SystemExit(f"vLLM gave {len(answers)} answers of {lengths} tokens, asked for {call['batch']} of {call['tokens']}")
    return took


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        question = json.load(file)
    if importlib.util.find_spec("vllm") is None:
        raise SystemExit(f"vLLM is not installed for {sys.executable}")
    import torch
    import vllm

    llm = vllm.LLM(**{"model": question["folder"], "dtype": "bfloat16", "skip_tokenizer_init": True, "enable_prefix_caching": False,
                      **question["options"]})
    best = []
    for call in question["calls"]:
        # Greedy, as cuda_bench chooses; answers end by their length alone.
        parameters = vllm.SamplingParams(temperature=0.0, max_tokens=call["tokens"], ignore_eos=True, detokenize=False)
        seconds(llm, parameters, call)
        best.append(min(seconds(llm, parameters, call) for _ in range(question["rounds"])))
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        json.dump({"versions": {"vllm": vllm.__version__, "torch": torch.__version__}, "seconds": best}, file)


if __name__ == "__main__":  # vLLM's own processes import this file again
    main()
