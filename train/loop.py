"""What all trainings share: time, pauses, checkpoints that survive an interruption, optimizers.

Time is that of the processor (of two cores; on a GPU, the clock's): a machine that others use makes a run longer, not shorter. A file
`pause` in LSSGEN_RUNS holds every training until it is removed (SIGSTOP and SIGCONT do too); a file `finish` (or `finish-NAME`, of one part)
makes the running part lower its rate to nothing over its last two minutes and end, for good (`again-NAME` takes it up again); SIGUSR1 saves at once; SIGTERM saves and ends.
"""
import copy, json, os, random, signal, sys, time
import numpy as np
import torch
from safetensors.torch import load_file, save_file
import nouns

RUNS = nouns.RUNS
KEPT = os.environ.get("LSSGEN_KEPT", os.path.join(os.path.dirname(os.path.abspath(__file__)), "checkpoints"))
SHIPPED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../weights/lssgen-emoji/transformer/diffusion_pytorch_model.gguf")
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
CORES = 2
SAVE_EVERY = 600  # seconds
SMOKE = bool(os.environ.get("LSSGEN_SMOKE"))
torch.set_num_threads(int(os.environ.get("THREADS", str(CORES))))
torch.set_float32_matmul_precision("high")


def write(path, save):
    """`save(temporary name)`, then renamed: a checkpoint is whole or not there."""
    save(path + ".part")
    os.replace(path + ".part", path)


class Loop:
    """Steps of one part. `state` is what was saved last: {"model", "average", "step", "spent", "log", …}, from LSSGEN_RUNS, or the
    averaged f16 weights that are committed, or None. `extra` of a save comes back in the state."""

    def __init__(self, name, minutes):
        self.name, self.minutes, self.path = name, minutes, f"{RUNS}/{name}.pt"
        self.state = None
        if os.path.exists(self.path):
            self.state = torch.load(self.path, map_location="cpu", weights_only=False)
        elif os.path.exists(f"{KEPT}/{name}.safetensors") or os.path.exists(f"{KEPT}/{name}.json"):
            self.state = kept(name)
            print(f"{name}: from the committed weights, step {self.state['step']}", flush=True)
        s = self.state or {}
        self.step, self.before, self.log = s.get("step", 0), s.get("spent", 0.0), s.get("log", [])
        self.first, self.paused, self.ending, self.run = self.step, 0.0, None, {}
        self.start, self.looked, self.saved = self.clock(), 0.0, time.time()
        self.asked, self.stopping = False, False
        if s.get("finished") and not os.path.exists(f"{RUNS}/again-{name}"):
            print(f"{name}: was finished at step {self.step}", flush=True)
            sys.exit(0)
        signal.signal(signal.SIGUSR1, lambda *_: setattr(self, "asked", True))
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stopping", True))
        random.seed(self.step + int(time.time()))
        torch.manual_seed(self.step + int(time.time()))

    def clock(self):
        return time.time() if DEVICE.type == "cuda" else time.process_time() / min(CORES, torch.get_num_threads()) * (1 if torch.get_num_threads() > 1 else 0.5)

    @property
    def now(self):
        """Seconds of two cores spent on this part in this run."""
        return self.clock() - self.start

    @property
    def spent(self):
        return self.before + self.now

    def share(self):
        """Of the part's whole time, in 0..1; waits while there is a file `pause`."""
        if time.time() - self.looked > 5:
            self.looked = time.time()
            while os.path.exists(f"{RUNS}/pause"):
                time.sleep(5)
            if self.ending is None and (os.path.exists(f"{RUNS}/finish") or os.path.exists(f"{RUNS}/finish-{self.name}")):
                self.ending = self.now
        if self.ending is not None:
            # Down over two minutes, from wherever it is.
            return max(self.plain_share(), min(1, 0.75 + 0.25 * (self.now - self.ending) / 120))
        return self.plain_share()

    def plain_share(self):
        return min(1.0, self.spent / (60 * self.minutes))

    def rate(self, share, falls=0.3, warm=100):
        """Learning rate's factor: a warm-up of steps, then level, then linear to nothing over the last `falls`."""
        return min(1, (self.step - self.first + 1) / warm) * min(1, max(0.01, (1 - share) / falls))

    def note(self, every=50, **losses):
        """Running means; a line and a log entry now and then."""
        for k, v in losses.items():
            v = float(v)
            self.run[k] = v if k not in self.run else 0.98 * self.run[k] + 0.02 * v
        self.step += 1
        if self.step % every == 0 or self.step - self.first in (2, 10):
            self.log.append((self.step, round(self.spent), {k: round(v, 5) for k, v in self.run.items()}))
            print(f"{self.name} {self.step} {self.spent:.0f}s " + " ".join(f"{k}:{v:.4f}" for k, v in self.run.items()), flush=True)

    def due(self):
        return self.asked or self.stopping or time.time() - self.saved > SAVE_EVERY

    def save(self, model, average, opts=(), **extra):
        state = dict(model={k: v.cpu() for k, v in model.items()}, average={k: v.cpu() for k, v in average.items()}, opts=[o.state_dict() for o in opts],
                     step=self.step, spent=self.spent, log=self.log, **extra)
        if self.ending is not None and self.share() >= 1:
            state["finished"] = True
        write(self.path, lambda p: torch.save(state, p))
        self.saved, self.asked = time.time(), False
        if self.stopping:
            print(f"{self.name}: saved at {self.step} and ended, as asked", flush=True)
            sys.exit(75)  # not done: the driver must not go on to what follows


def kept(name):
    """The state of a part as committed: averaged weights in f16, the rest as JSON in the file's header."""
    from safetensors import safe_open
    path = f"{KEPT}/{name}.safetensors"
    if not os.path.exists(path):
        import quantised
        with open(f"{KEPT}/{name}.json") as f:
            rest = json.load(f)
        # The text encoders are those of bind, which do not learn along.
        # Where no checkpoint is kept, the denoiser goes on from what is shipped.
        own = f"{KEPT}/{name}.gguf"
        weights = {**{k: v for k, v in kept("bind")["average"].items() if not k.startswith("heads.")},
                   **{f"flux.{k}": v for k, v in quantised.load(own if os.path.exists(own) else SHIPPED).items()}}
        weights.setdefault("t5.encoder.embed_tokens.weight", weights["t5.shared.weight"])
        return dict(model=weights, average=weights, opts=[], **rest)
    with safe_open(path, "pt") as f:
        rest = json.loads(f.metadata()["state"])
    weights = {k: v.float() if v.is_floating_point() else v for k, v in load_file(path).items()}
    return dict(model=weights, average=weights, opts=[], **rest)


def keep(name):
    """Writes the averaged weights of a part into the tree, as f16."""
    path = f"{RUNS}/{name}.pt"
    if not os.path.exists(path) or name == "judge":  # judge.py write keeps that
        return None
    s = torch.load(path, map_location="cpu", weights_only=False)
    rest = {k: v for k, v in s.items() if k not in ("model", "average", "opts")}
    if len(rest["log"]) > 120:
        rest["log"] = rest["log"][::len(rest["log"]) // 100]
    os.makedirs(KEPT, exist_ok=True)
    if name == "denoise":
        # In 6.6 bits, two fifths of f16's bytes, of which the history has few left: to go on from, a hundredth of noise in the weights does not matter.
        import quantised
        out = f"{KEPT}/{name}.gguf"
        write(out, lambda p: quantised.save(p, {k.removeprefix("flux."): v for k, v in s["average"].items() if k.startswith("flux.")}, name, "Q6_K"))
        with open(f"{KEPT}/{name}.json", "w") as f:
            json.dump(rest, f)
            f.write("\n")
        return out, os.path.getsize(out), s["step"]
    # Heads that are thrown away in the end (bind.py) are larger than what they teach, and soon learnt again.
    half = {k: v.half().contiguous() if v.is_floating_point() else v.contiguous() for k, v in s["average"].items()
            if not (name == "bind" and (k.startswith("heads.") or k.endswith("embed_tokens.weight") and k.startswith("t5.")))}
    out = f"{KEPT}/{name}.safetensors"
    write(out, lambda p: save_file(half, p, {"state": json.dumps(rest)}))
    return out, os.path.getsize(out), s["step"]


def weights_of(name):
    """Averaged weights of a part, from LSSGEN_RUNS or as committed, with the rest of its state."""
    if os.path.exists(f"{RUNS}/{name}.pt"):
        return torch.load(f"{RUNS}/{name}.pt", map_location="cpu", weights_only=False)
    return kept(name)


class Feed(torch.utils.data.IterableDataset):
    """Batches of `make(seed)`, an endless generator; on a GPU by as many processes as there are cores to spare, else in place."""

    def __init__(self, make, seed):
        self.make, self.seed = make, seed

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        if info:
            torch.set_num_threads(1)
        return self.make(self.seed + 7919 * (info.id if info else 0))

    @staticmethod
    def of(make, seed):
        cores = os.cpu_count() or 2
        workers = int(os.environ.get("FEEDERS", min(14, cores - 2) if DEVICE.type == "cuda" else 0))
        return iter(torch.utils.data.DataLoader(Feed(make, seed), batch_size=None, num_workers=workers, **(dict(prefetch_factor=6) if workers else {})))


class Average:
    """Exponential mean of a module's parameters."""

    def __init__(self, module, decay, weights=None):
        self.module, self.decay, self.n = copy.deepcopy(module).requires_grad_(False), decay, 0
        if weights is not None:
            self.module.load_state_dict(weights)
            self.n = 10_000  # it is an average already

    @torch.no_grad()
    def update(self, module):
        self.n += 1
        torch._foreach_lerp_(list(self.module.parameters()), [p.detach() for p in module.parameters()], 1 - min(self.decay, self.n / (self.n + 10)))

    def state_dict(self):
        return self.module.state_dict()


class Muon(torch.optim.Optimizer):
    """Momentum whose update is orthogonalised by Newton–Schulz (Jordan 2024), for matrices and for convolutions' kernels as matrices. In bf16,
    which wants a processor with units for it. Parameters of one shape are taken together."""

    def __init__(self, params, lr, momentum=0.95):
        super().__init__(params, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes = {}
            for p in group["params"]:
                if p.grad is None:
                    continue
                m = self.state[p].setdefault("momentum", torch.zeros_like(p))
                m.lerp_(p.grad, 1 - group["momentum"])
                g = p.grad.lerp(m, group["momentum"]).flatten(1)
                wide = g.shape[0] <= g.shape[1]
                shapes.setdefault(tuple(sorted(g.shape)), []).append((p, g if wide else g.T, wide))
            for entries in shapes.values():
                x = torch.stack([g for _, g, _ in entries])
                x = (x / (x.flatten(1).norm(dim=1).view(-1, 1, 1) + 1e-7)).bfloat16()
                for _ in range(5):
                    a = x @ x.mT
                    x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
                for (p, _, wide), u in zip(entries, x.float()):
                    u = u if wide else u.T
                    p.add_(u.reshape(p.shape), alpha=-group["lr"] * max(1, u.shape[0] / u.shape[1]) ** 0.5)


def optimizers(module, muon=0.02, adam=1.5e-3, edges=("embedd", "shared", "relative_attention", "norm_out", "conv_in", "conv_out"), last=("proj_out.weight",)):
    """Muon for hidden matrices, AdamW for embeddings, norms, biases, first and last layers."""
    hidden, rest = [], []
    for name, p in module.named_parameters():
        if p.requires_grad:
            edge = name in last or any(k in name for k in edges)
            (hidden if p.ndim >= 2 and not edge else rest).append(p)
    return [Muon(hidden, lr=muon), torch.optim.AdamW(rest, lr=adam, betas=(0.9, 0.98), weight_decay=0.0)]


class Rates:
    """Sets every optimizer's rates to a factor of what they began with.

    Takes the state of a former run itself, because that state holds the rates of its last step: made afterwards, a run that is
    interrupted in its warm-up or near its end would go on with hundredths of them, and each interruption would add to that.
    """

    def __init__(self, opts, state=None):
        self.opts, self.base = opts, [[g["lr"] for g in o.param_groups] for o in opts]
        if state and state["opts"] and [len(o.param_groups) for o in opts] == [len(d["param_groups"]) for d in state["opts"]]:
            for o, d in zip(opts, state["opts"]):
                o.load_state_dict(d)

    def set(self, factor):
        for o, rates in zip(self.opts, self.base):
            for g, lr in zip(o.param_groups, rates):
                g["lr"] = lr * factor
