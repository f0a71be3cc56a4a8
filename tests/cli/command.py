"""Runs the gpuplace command for the tests beside this file."""
import json, os, pathlib, subprocess, tempfile

GPUPLACE = os.environ["GPUPLACE"]
DATA = pathlib.Path(__file__).parent.parent / "data"

# A Qwen3-like model of 24 layers, as the pictures of target and drafter have it.
CONFIG = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 1024, "num_hidden_layers": 24,
          "num_attention_heads": 16, "num_key_value_heads": 8, "intermediate_size": 3072, "vocab_size": 32000,
          "tie_word_embeddings": False, "head_dim": 64, "rms_norm_eps": 1e-6, "rope_theta": 1e6,
          "max_position_embeddings": 4096, "hidden_act": "silu", "torch_dtype": "bfloat16"}


def call(*arguments, env=None, stdin=None, timeout=240):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CUDA_")} | (env or {})
    return subprocess.run([GPUPLACE, *map(str, arguments)], capture_output=True, text=True, env=environment, input=stdin, timeout=timeout)


def read_json(*arguments, **options):
    done = call(*arguments, "--format", "json", **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def model_folder(**changes):
    """A folder with the config.json above, changed."""
    folder = tempfile.TemporaryDirectory()
    (pathlib.Path(folder.name) / "config.json").write_text(json.dumps(CONFIG | changes))
    return folder
