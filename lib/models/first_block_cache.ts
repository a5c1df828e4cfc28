/**
 * First-block cache: where the first block's residual has hardly changed since the last step that was computed, the blocks behind
 * it are left out, and what they added then is added again.
 *
 * The GPU decides, and makes the launches of skipped blocks empty; nothing is read back while a picture is drawn.
 *
 * Source: ParaAttention's First Block Cache as diffusers has it (FirstBlockCacheConfig): r = out₀ − in₀ over the picture's tokens;
 * skipped where mean|r − r_ref| ≤ threshold · mean|r_ref|, r_ref of the last computed step. Changes are not accumulated (TeaCache,
 * arXiv 2411.19108, does). Diffusers keeps a residual of the text's tokens too, which nothing reads behind the last block here.
 *
 * @module
 */

import type { Device } from "../gpu/device.ts";
import { f32, type Recorder } from "../gpu/recorder.ts";
import { fold, rowsAtOnce, windowOf } from "../ops/window.ts";
import { type Rows, sequence, type Tensor } from "../tensor.ts";
import type { BlockRun } from "./block_run.ts";

/** What one call keeps for the next: of the picture's tokens, [B, S, D] f32 each. */
interface Kept {
  /** Step whose call used it last. */
  step: number;
  /** The first block's residual in the last call that was computed. */
  readonly reference: Tensor;
  /** What the blocks behind it added then. */
  readonly tail: Tensor;
}

/** Elements that a workgroup of cache_change.wgsl and of cache_apply.wgsl takes. */
const CHANGE_SPAN = 4096;
const APPLY_SPAN = 1024;

/** The cache of one picture. Dispose it when the picture is done. */
export class FirstBlockCache implements Disposable {
  /** [the blocks run or not, calls that skipped them, calls], f32. */
  private state: Tensor | undefined;
  /** By the samples of a call: guidance's two are cached apart, or together where they share a call. */
  private readonly kept = new Map<string, Kept>();
  private stage: number | undefined;

  /** @param threshold Relative change of the residual, above 0, up to which blocks are skipped. */
  constructor(private readonly device: Device, private readonly threshold: number) {}

  /**
   * The blocks of one call.
   *
   * @param stage Number of the stage: another one begins anew.
   * @param step Number of the step in it: a call compares itself with that of the step before.
   * @param samples Samples that share the call.
   */
  call(stage: number, step: number, samples: readonly number[]): BlockRun {
    return {
      run: (r, tokens, first, others) => {
        if (stage !== this.stage) this.forget();
        this.stage = stage;
        this.run(r, tokens, { step, key: samples.join() }, first, others);
      },
    };
  }

  private run(
    r: Recorder,
    tokens: Tensor | Rows,
    { step, key }: { step: number; key: string },
    first: () => void,
    others: () => void,
  ): void {
    using _scope = r.scope();
    const part = partOf(tokens);
    const before = copied(r, part);
    first();

    let kept = this.kept.get(key);
    // Outside guidance's interval, and where a step failed, one was missed.
    const forced = kept?.step !== step - 1;
    if (!kept) {
      const { memory } = this.device;
      kept = { step, reference: memory.tensor(part.shape, "f32"), tail: memory.tensor(part.shape, "f32") };
      this.kept.set(key, kept);
    }
    kept.step = step;
    const state = this.decide(r, part, before, kept, forced);
    const apply = (op: 0 | 1): void => applyTo(r, part, { op, state, before, ...kept });
    {
      // A call that is computed anyway need not be launched by the GPU, and tells how fast that is.
      using _ = r.onlyIf(state, forced);
      apply(0);
      others();
    }
    apply(1);
  }

  /** Records the decision. */
  private decide(r: Recorder, part: Part, before: Tensor, { reference }: Kept, forced: boolean): Tensor {
    const pieces = piecesOf(r, part, [before, reference]);
    const of = pieces.map(({ count }) => Math.ceil(count / CHANGE_SPAN));
    const pairs = of.reduce((a, b) => a + b, 0);
    const parts = r.tensor([pairs, 2], "f32");
    let out = 0;
    for (const [i, { count, x, others: [b, ref] }] of pieces.entries()) {
      const groups = fold(of[i]);
      r.dispatch({
        shader: "cache_change",
        params: [count, x.at, b.at, out, groups[0]],
        buffers: [x.binding, b.binding, ref.binding, parts],
        groups,
        flops: 5 * count,
      });
      out += of[i];
    }
    const begins = this.state === undefined;
    const state = this.state ??= this.device.memory.tensor([3], "f32");
    r.dispatch({
      shader: "cache_decide",
      params: [pairs, f32(this.threshold), Number(forced), Number(begins)],
      buffers: [parts, state],
      groups: [1],
    });
    return state;
  }

  /** Calls of the picture, and how many of them skipped all blocks but the first. Waits for the GPU. */
  async counts(r: Recorder): Promise<{ skipped: number; calls: number }> {
    if (!this.state) return { skipped: 0, calls: 0 };
    const [, skipped, calls] = await r.read(this.state);
    return { skipped, calls };
  }

  private forget(): void {
    for (const { reference, tail } of this.kept.values()) {
      for (const { buffer } of [reference, tail]) this.device.memory.release(buffer);
    }
    this.kept.clear();
  }

  /** Frees what it keeps. */
  [Symbol.dispose](): void {
    this.forget();
    if (this.state) this.device.memory.release(this.state.buffer);
    this.state = undefined;
  }
}

/** The picture's tokens in the residual stream. */
interface Part {
  readonly tensor: Tensor;
  /** [B, S, D] */
  readonly shape: readonly [number, number, number];
  /** Rows of a sample in the stream, and the first that is the picture's. */
  readonly N: number;
  readonly at: number;
}

function partOf(tokens: Tensor | Rows): Part {
  const { tensor, B, S, N, at, C } = sequence(tokens);
  return { tensor, shape: [B, S, C], N, at };
}

/** The tokens as they are now, [B, S, D]. */
function copied(r: Recorder, { tensor, shape: [B, S, D], N, at }: Part): Tensor {
  const out = r.tensor([B, S, D], "f32");
  for (let b = 0; b < B; b++) r.copy(tensor, (b * N + at) * D * 4, out, b * S * D * 4, S * D * 4);
  return out;
}

/** Some elements that fit a binding, in the stream and in tensors of the tokens alone. */
interface Piece {
  readonly count: number;
  readonly x: Place;
  readonly others: readonly Place[];
}

interface Place {
  readonly binding: ReturnType<typeof windowOf>["binding"];
  /** First element in the binding. */
  readonly at: number;
}

function piecesOf(
  r: Recorder,
  { tensor, shape: [B, S, D], N, at }: Part,
  others: readonly Tensor[],
): Piece[] {
  const step = rowsAtOnce(r, S, D, [tensor, ...others]);
  const place = (t: Tensor, row: number, rows: number): Place => {
    const { binding, base } = windowOf(r, t, row, row + rows, D);
    return { binding, at: (row - base) * D };
  };
  const pieces: Piece[] = [];
  for (let b = 0; b < B; b++) {
    for (let row = 0; row < S; row += step) {
      const n = Math.min(step, S - row);
      pieces.push({
        count: n * D,
        x: place(tensor, b * N + at + row, n),
        others: others.map((t) => place(t, b * S + row, n)),
      });
    }
  }
  return pieces;
}

function applyTo(
  r: Recorder,
  part: Part,
  { op, state, before, reference, tail }: Pick<Kept, "reference" | "tail"> & {
    op: 0 | 1;
    state: Tensor;
    before: Tensor;
  },
): void {
  for (const { count, x, others: [b, ref, t] } of piecesOf(r, part, [before, reference, tail])) {
    const groups = fold(Math.ceil(count / APPLY_SPAN));
    r.dispatch({
      shader: "cache_apply",
      constants: { OP: op },
      params: [count, x.at, b.at, groups[0]],
      buffers: [state, b.binding, x.binding, ref.binding, t.binding],
      groups,
      flops: 2 * count,
    });
  }
}
