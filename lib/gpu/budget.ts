/**
 * How much work one launch may hold, so that none keeps a GPU busy for longer than a fixed time: desktop
 * systems reset a GPU that does not answer (Windows after two seconds), and draw nothing meanwhile.
 *
 * WebGPU cannot interrupt a launch, so its length is foreseen: operations announced by the kernel's wrapper, divided
 * by the operations a second that the device was seen to make. Cutting changes no number: every output is
 * summed by one invocation, or one workgroup, in the same order wherever the launch begins.
 *
 * @module
 */

/** Longest launch on a GPU, in milliseconds, unless {@linkcode DeviceOptions.dispatchMs} says otherwise. */
export const DISPATCH_MS = 200;

/** Operations a second before anything was measured: fewer than any GPU of the last ten years makes. */
const UNMEASURED = 1e10;
/** No measurement is taken for less: a laptop that slept, or a driver that compiled for seconds, says nothing. */
const SLOWEST = 1e9;
/** Milliseconds below which a measurement is mostly waiting (Deno looks at the queue every 11 ms): it can only raise the rate. */
const MOSTLY_WAITING_MS = 50;
/**
 * Share of the budget that is planned with: the rate is a mean over all kernels, and the slowest large one, attention,
 * makes half as many operations a second.
 */
const SHARE = 0.5;

/** The time budget of a device's launches, and what it has learned of the device's speed. */
export class DispatchBudget {
  private rate = UNMEASURED;

  /** Use `device.budget`. */
  constructor(
    /** Longest launch in milliseconds. */
    readonly ms: number,
  ) {}

  /** Operations a second by the last measurement. */
  get flopsPerSecond(): number {
    return this.rate;
  }

  /** Operations that fit the budget: where a command buffer is cut. */
  get flops(): number {
    return this.rate * this.ms / 1000;
  }

  /**
   * Rows of a launch at a time, a multiple of `tile`: all of them where they fit the budget.
   *
   * @param rows Rows in all: of a product, of a picture, queries.
   * @param flops Operations of all rows.
   * @param tile Rows that a workgroup makes: less would leave it idle.
   */
  rowsAtOnce(rows: number, flops: number, tile: number): number {
    const pieces = Math.ceil(flops / (SHARE * this.flops));
    return pieces <= 1 ? rows : Math.max(1, Math.ceil(rows / pieces / tile)) * tile;
  }

  /**
   * Takes in a measurement.
   *
   * @param flops Operations of some work.
   * @param ms Milliseconds that the queue was busy with it.
   */
  learn(flops: number, ms: number): void {
    if (!(flops > 0 && ms > 0)) return;
    const measured = Math.max(SLOWEST, flops / ms * 1000);
    this.rate = ms < MOSTLY_WAITING_MS ? Math.max(this.rate, measured) : measured;
  }
}
