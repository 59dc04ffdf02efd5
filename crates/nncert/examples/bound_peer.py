"""auto_LiRPA on the arguments of the example `bound`, and both side by side.

    pip install auto_LiRPA safetensors numpy torch
    cargo build --release -p nncert --example bound

    # Networks with random weights (seed 0), and a centre for each.
    python bound_peer.py make FOLDER
    # One run of auto_LiRPA: prints the keys of `bound --json`.
    python bound_peer.py run --network FILE --center FILE --epsilon E --method crown
    # Both, one after the other in turns, and the ratios of their best seconds.
    python bound_peer.py compare FOLDER --bound target/release/examples/bound

auto_LiRPA computes in f32 without regard to rounding; its graph is built, and one run
made, before the clock starts. Its version is in the output: what PyPI holds can be
older than what its authors publish (0.3 wants Python 3.10, torch 1.12 and numpy 1.23).
"""

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path

# Widths; `he` are weights that keep the size of values, the others PyTorch's defaults.
NETWORKS = {
    "784-3x1024-10": [784, 1024, 1024, 1024, 10],
    "784-3x1024-10-he": [784, 1024, 1024, 1024, 10],
    "5-6x50-5": [5, 50, 50, 50, 50, 50, 50, 5],
}
METHODS = {"ibp": "IBP", "crown": "CROWN", "alpha-crown": "CROWN-Optimized"}


def sequential(widths):
    from torch import nn

    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def make(folder):
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    for name, widths in NETWORKS.items():
        torch.manual_seed(0)
        network = sequential(widths)
        if name.endswith("-he"):
            for layer in network[::2]:
                torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        save_file(network.state_dict(), folder / f"{name}.safetensors")
        center = torch.rand(widths[0])
        (folder / f"{name}.txt").write_text("\n".join(map(repr, center.tolist())) + "\n")


def read(path):
    """A network of linear layers with a ReLU between each two."""
    import torch
    from safetensors.numpy import load_file

    tensors = {name: torch.from_numpy(array) for name, array in load_file(path).items()}
    places = sorted(int(name.split(".")[0]) for name in tensors if name.endswith(".weight"))
    shapes = [tensors[f"{place}.weight"].shape for place in places]
    network = sequential([shapes[0][1]] + [shape[0] for shape in shapes])
    linear = (layer for layer in network if hasattr(layer, "weight"))
    for place, layer in zip(places, linear):
        layer.weight.data = tensors[f"{place}.weight"].float()
        layer.bias.data = tensors[f"{place}.bias"].float()
    return network


def run(options):
    import torch
    import auto_LiRPA
    from auto_LiRPA import BoundedModule, BoundedTensor
    from auto_LiRPA.perturbations import PerturbationLpNorm

    torch.set_num_threads(options.threads)
    network = read(options.network)
    text = re.split(r"[\s,]+", options.center.read_text().strip())
    center = torch.tensor([[float(number) for number in text]])
    model = BoundedModule(network, torch.zeros_like(center), verbose=False)
    if options.iterations is not None:
        model.set_bound_opts({"optimize_bound_args": {"iteration": options.iterations}})
    ball = PerturbationLpNorm(norm=float("inf"), eps=options.epsilon)
    x = BoundedTensor(center, ball)
    method = METHODS[options.method]

    def bounds():
        if method == "CROWN-Optimized":
            return model.compute_bounds(x=(x,), method=method)
        with torch.no_grad():
            return model.compute_bounds(x=(x,), method=method)

    if method != "CROWN-Optimized":
        bounds()
    seconds = []
    for _ in range(options.repeat):
        start = time.perf_counter()
        lower, upper = bounds()
        seconds.append(time.perf_counter() - start)
    return {
        "tool": f"auto_LiRPA {auto_LiRPA.__version__}, torch {torch.__version__}",
        "method": options.method,
        "inputs": center.shape[1],
        "outputs": lower.shape[1],
        "epsilon": options.epsilon,
        "threads": options.threads,
        "repeat": options.repeat,
        "lower": lower[0].tolist(),
        "upper": upper[0].tolist(),
        "mean_width": (upper - lower).mean().item(),
        "seconds": seconds,
        "best_seconds": min(seconds),
    }


def compare(options):
    """Turns of both tools; the least of the seconds of each."""
    print(f"{'network':>16} {'method':>12} {'threads':>7} {'auto_LiRPA s':>12} {'nncert s':>10} "
          f"{'ratio':>7} {'width':>10} {'width':>10}")
    versions = set()
    repeats = {"crown": 10, "alpha-crown": 1}
    for name in options.networks:
        for method in options.methods:
            for threads in options.threads:
                arguments = ["--network", f"{options.folder}/{name}.safetensors",
                             "--center", f"{options.folder}/{name}.txt",
                             "--epsilon", str(options.epsilon), "--method", method,
                             "--threads", str(threads), "--repeat", str(repeats[method])]
                if method == "alpha-crown":
                    arguments += ["--iterations", str(options.iterations)]
                peer = [sys.executable, __file__, "run", *arguments]
                ours = [options.bound, *arguments, "--json"]
                if method == "alpha-crown" and options.intermediate is not None:
                    ours += ["--intermediate", str(options.intermediate)]
                results = [[], []]
                for _ in range(options.turns):
                    for command, found in zip((peer, ours), results):
                        done = subprocess.run(command, capture_output=True, text=True)
                        if done.returncode == 0:
                            found.append(json.loads(done.stdout))
                        else:
                            # The last line of a traceback names the error.
                            error = done.stderr.strip().splitlines()[-1]
                            print(f"{name} {method}: {command[0]} failed: {error}", flush=True)
                if not all(results):
                    continue
                versions.add(results[0][0]["tool"])
                best = [min(r["best_seconds"] for r in found) for found in results]
                width = [found[0]["mean_width"] for found in results]
                print(f"{name:>16} {method:>12} {threads:>7} {best[0]:>12.6f} {best[1]:>10.6f} "
                      f"{best[0] / best[1]:>7.1f} {width[0]:>10.6g} {width[1]:>10.6g}", flush=True)
    print(*versions)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("make")
    verb.add_argument("folder", type=Path)
    verb = verbs.add_parser("run")
    verb.add_argument("--network", type=Path, required=True)
    verb.add_argument("--center", type=Path, required=True)
    verb.add_argument("--epsilon", type=float, required=True)
    verb.add_argument("--method", choices=METHODS, default="crown")
    verb.add_argument("--iterations", type=int)
    verb.add_argument("--threads", type=int, default=1)
    verb.add_argument("--repeat", type=int, default=1)
    verb.add_argument("--json", action="store_true", help="always so")
    verb = verbs.add_parser("compare")
    verb.add_argument("folder", type=Path)
    verb.add_argument("--bound", required=True)
    verb.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    verb.add_argument("--methods", nargs="+", choices=["crown", "alpha-crown"],
                      default=["crown", "alpha-crown"])
    verb.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    verb.add_argument("--epsilon", type=float, default=0.01)
    verb.add_argument("--iterations", type=int, default=20)
    verb.add_argument("--intermediate", type=int)
    verb.add_argument("--turns", type=int, default=2)
    options = parser.parse_args()
    if options.verb == "make":
        make(options.folder)
    elif options.verb == "run":
        print(json.dumps(run(options)))
    else:
        compare(options)


if __name__ == "__main__":
    main()
