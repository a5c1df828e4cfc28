/**
 * The list of dispatches of a forward pass: recorded in order, submitted in a few command buffers.
 *
 * @module
 */

import { AbortedError, LssgenError } from "../errors.ts";
import { type Dtype, DTYPE_BYTES, elements, type Tensor } from "../tensor.ts";
import type { Device } from "./device.ts";
import type { Kernel, KernelSpec } from "./kernel.ts";
import { TEXEL_ROW } from "./memory.ts";
import { placeOf, streamedOf, type StreamedUnit } from "./streamed.ts";

/** A parameter that is a float in the shader's uniform block; plain numbers are u32. */
export interface Float {
  /** The value. */
  readonly f32: number;
}

/** Marks a uniform parameter as f32. */
export function f32(value: number): Float {
  return { f32: value };
}

/** A tensor, or a byte range of one, to bind. `offset` must be a multiple of 256. */
export interface Binding {
  /** Tensor to bind. */
  readonly tensor: Tensor;
  /** Bytes from the tensor's start. */
  readonly offset: number;
  /** Bytes to bind. */
  readonly size: number;
}

/** One kernel launch. */
export interface Dispatch extends KernelSpec {
  /** The uniform block, in order. */
  readonly params: readonly (number | Float)[];
  /** Bindings 1 … n in order; `undefined` where an optional operand is absent. */
  readonly buffers: readonly (Tensor | Binding | GPUTexture | undefined)[];
  /** Workgroups along x, y, z; each at most 65 535. */
  readonly groups: readonly [number, number?, number?];
  /** Floating-point operations of this launch, for the time budget and for profiles. */
  readonly flops?: number;
}

/** Something recorded that waits for weights. */
interface Waiting {
  /** Streamed units that it needs. */
  readonly units: readonly StreamedUnit[];
  /** Records it for the GPU. */
  readonly run: () => void;
}

/** What launches depend on. */
interface Condition {
  /** Its first element is a number: 0 makes them none. */
  readonly state: Tensor;
}

/** What one kernel launch cost, when profiling. */
export interface ProfileEntry {
  /** Shader name. */
  readonly kernel: string;
  /** Milliseconds on the GPU. */
  readonly ms: number;
  /** Operations announced by the wrapper. */
  readonly flops: number;
}

/** Bytes of one parameter block; 256 is WebGPU's guaranteed uniform offset alignment. */
const SLOT = 256;
const SLOTS = 1024;
/** Word of a slot where the sizes of a launch stand that depends on a number on the GPU. */
const SIZES_AT = 60;
/** Makes such launches none, where that number is 0. */
const GATE: KernelSpec = { shader: "gate" };
/** Bind groups kept: a few steps' of a large model. */
const MOST_BIND_GROUPS = 8192;
const NO_UNITS: readonly StreamedUnit[] = [];
/** Slots that an upload may take: time steps, guidance, a row of a table. A submission before it would wait for the GPU. */
const UPLOAD_SLOTS = 16;

/**
 * Records dispatches and owns the tensors they make. Scopes say who frees what:
 *
 * ```ts ignore
 * using scope = r.scope();
 * const h = linear(r, x, w);   // freed at the end of the block
 * return scope.keep(linear(r, h, w2));
 * ```
 */
export class Recorder {
  private encoder: GPUCommandEncoder | undefined;
  /** Weights whose kept copies are recorded and not yet submitted. */
  private readonly filling: Set<GPUBuffer> = new Set();
  /** Those of them that the open command buffer makes. */
  private readonly filled: GPUBuffer[] = [];
  private pass: GPUComputePassEncoder | undefined;
  private readonly paramsBuffer: GPUBuffer;
  private readonly params = new ArrayBuffer(SLOT * SLOTS);
  private readonly u32 = new Uint32Array(this.params);
  private readonly f32 = new Float32Array(this.params);
  private slot = 0;
  private readonly bindGroups = new Map<string, GPUBindGroup>();
  /** For the keys of bind groups. */
  private readonly ids = new WeakMap<object, number>();
  private nextId = 0;
  private flops = 0;
  private readonly scopes: Scope[] = [];
  /** What was paced last, until its end is asked for. */
  private paced: { flops: number; since: number; conditional: boolean } | undefined;
  /** What {@linkcode pace} will wait for, and what it will learn from it. */
  private inFlight:
    | { flops: number; since: number; conditional: boolean; done: Promise<number> }
    | undefined;
  /** Operations submitted since the last {@linkcode pace}, and when the first of them were. */
  private submitted = { flops: 0, since: Infinity, conditional: false };
  /** When the last submission that was waited for was done. */
  private ended = 0;
  /** Kernels launched since the start. */
  readonly kernels: Set<Kernel> = new Set();
  /** Launches recorded since the start. */
  dispatches = 0;
  private profiling: { entries: { kernel: string; flops: number }[]; set: GPUQuerySet } | undefined;
  /**
   * What uses weights that are not there yet, and all that was recorded after it: models record a step at once and need not know
   * that its weights come one after the other.
   */
  private waiting: Waiting[] = [];
  /** Whether some of it is being recorded for the GPU. */
  private catchingUp = false;
  /** The end of the last {@linkcode catchUp}. */
  private caughtUp: Promise<void> = Promise.resolve();
  /** What launches that are recorded now depend on. */
  private condition: Condition | undefined;
  /** The condition that the sizes of the open command buffer's launches were made for. */
  private gated: Condition | undefined;
  /** Sizes of launches that depend on a number, a slot each; made when there are any. */
  private sizesBuffer: GPUBuffer | undefined;

  /**
   * Begins recording.
   *
   * @param device Where to run.
   * @param activations Type of activations between kernels: f16 needs the adapter's shader-f16. The residual
   *   stream, statistics and sums are f32 in both.
   * @param signal Checked at every submission.
   */
  constructor(
    readonly device: Device,
    private activations: Dtype = "f32",
    private readonly signal: AbortSignal | undefined = undefined,
  ) {
    if (activations === "f16" && !device.info.f16) {
      throw new LssgenError(
        "unsupported",
        "f16 activations need an adapter with shader-f16; use dtype f32 (weights may still be f16)",
      );
    }
    this.paramsBuffer = device.memory.allocator.buffer(
      { size: SLOT * SLOTS, usage: 0x40 | 0x80 | 0x08 | 0x04 }, // UNIFORM | STORAGE | COPY_DST | COPY_SRC
      "parameters of kernels",
    );
    this.scopes.push(new Scope(this, undefined));
  }

  /** Type of activations between kernels. */
  get dtype(): Dtype {
    return this.activations;
  }

  /** Activations of another type until disposed: f32 for an autoencoder that leaves the range of f16. */
  precision(dtype: Dtype): Disposable {
    const before = this.activations;
    this.activations = dtype;
    return { [Symbol.dispose]: () => void (this.activations = before) };
  }

  /** A tensor of undefined content that belongs to the innermost scope. */
  tensor(shape: readonly number[], dtype: Dtype = this.activations): Tensor {
    const t = this.device.memory.tensor(shape, dtype);
    this.scopes[this.scopes.length - 1].own(t.buffer);
    return t;
  }

  /** Opens a scope: tensors made until it is disposed are freed with it, unless kept. */
  scope(): Scope {
    const scope = new Scope(this, this.scopes[this.scopes.length - 1]);
    this.scopes.push(scope);
    return scope;
  }

  /** For {@linkcode Scope}: ends the innermost scope. */
  close(scope: Scope): void {
    if (this.scopes.pop() !== scope) throw new LssgenError("internal", "Scopes were closed out of order");
  }

  /**
   * A tensor from CPU numbers. A few travel with the launches' parameters; for more, what was recorded is submitted first, so
   * that order is kept.
   *
   * @param numbers The numbers, or what makes them now; many are not made for devices that do nothing.
   */
  upload(
    shape: readonly number[],
    numbers: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | (() => Float32Array<ArrayBuffer>),
  ): Tensor {
    const made = typeof numbers === "function";
    if (made && this.device.rehearses) return this.tensor(shape, "f32");
    const data = made ? numbers() : numbers;
    if (elements(shape) !== data.length) {
      throw new LssgenError("internal", `Upload of ${data.length} numbers as [${shape}]`);
    }
    const slots = Math.ceil(data.byteLength / SLOT);
    if (slots <= UPLOAD_SLOTS) {
      this.device.check();
      const t = this.tensor(shape, "f32");
      this.inOrder([], () => {
        if (this.slot + slots > SLOTS) this.handOver();
        const at = this.slot * SLOT;
        new Uint8Array(this.params).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
        this.slot += slots;
        this.endPass();
        this.encoder ??= this.device.gpu.createCommandEncoder();
        this.encoder.copyBufferToBuffer(this.paramsBuffer, at, t.buffer, t.offset, data.byteLength);
      });
      return t;
    }
    // The buffer may be one that recorded work still reads.
    this.submit();
    const t = this.tensor(shape, "f32");
    this.inOrder([], () => {
      this.handOver();
      this.device.gpu.queue.writeBuffer(t.buffer, 0, data);
    });
    return t;
  }

  /**
   * Launches recorded until the result is disposed run only if `state`'s first element, f32, is not 0 when the GPU gets to them:
   * their sizes are made there, and nothing is read back. Copies and uploads among them are made all the same, so nothing that
   * is used afterwards may be written by those.
   *
   * @param state An f32 tensor; launches among these must not change it.
   * @param always They are known to run: they are recorded as any others, and only what the condition needs is compiled.
   */
  onlyIf(state: Tensor, always: boolean = false): Disposable {
    if (this.condition) throw new LssgenError("internal", "One condition inside another");
    this.device.kernels.get(GATE, () => this.submit());
    if (!always) this.condition = { state };
    return { [Symbol.dispose]: () => void (this.condition = undefined) };
  }

  /** Runs what records a command, or keeps it for later where it or something before it waits for weights. */
  private inOrder(operands: Dispatch["buffers"], run: () => void): void {
    let units: StreamedUnit[] | undefined;
    for (const operand of operands) {
      if (!operand || "createView" in operand) continue;
      const unit = streamedOf("tensor" in operand ? operand.tensor.buffer : operand.buffer)?.unit;
      if (unit && !units?.includes(unit)) (units ??= []).push(unit);
    }
    if (this.device.rehearses) {
      this.wouldWait ||= units !== undefined;
      return;
    }
    if (units || this.waits) this.waiting.push({ units: units ?? NO_UNITS, run });
    else run();
  }

  /**
   * Records for the GPU what waits for weights, as they come.
   *
   * @throws {LssgenError} `bad_file` when they cannot be read. @throws {AbortedError} when the signal fired.
   */
  private catchUp(): Promise<void> {
    this.wouldWait = false;
    const before = this.caughtUp;
    const now = (async () => {
      await before.catch(() => {}); // told to who waited for it
      const { waiting } = this;
      this.waiting = [];
      const stream = waiting.find(({ units }) => units.length > 0)?.units[0].stream;
      if (!stream) return waiting.forEach(({ run }) => run());
      this.catchingUp = true;
      const bringing = stream.begin(waiting.map(({ units }) => units), this.signal);
      try {
        for (const [i, { units, run }] of waiting.entries()) {
          if (units.length > 0 && !bringing.isReady(i)) {
            // The GPU works on what has its weights while the next ones are read.
            this.handOver();
            bringing.submitted(i);
            await bringing.ready(i);
          }
          if (units.length > 0) bringing.place(i);
          run();
        }
        this.handOver();
        bringing.submitted(waiting.length);
      } finally {
        await bringing.end();
        this.catchingUp = false;
      }
    })();
    this.caughtUp = now;
    return now;
  }

  /** Records one launch. */
  dispatch(d: Dispatch): void {
    // While the CPU compiles, the GPU shall work on what is known, compiling earlier kernels in its turn (llvmpipe).
    const kernel = this.device.kernels.get(d, () => this.submit());
    if (d.buffers.length !== kernel.storage) {
      throw new LssgenError(
        "internal",
        `${d.shader} has ${kernel.storage} storage bindings, given ${d.buffers.length}`,
      );
    }
    const [x, y = 1, z = 1] = d.groups;
    if (x === 0 || y === 0 || z === 0) return;
    this.kernels.add(kernel);
    this.dispatches++;
    const { condition } = this;
    this.inOrder(d.buffers, () => this.encode(kernel, d, condition));
  }

  /** Records a launch whose weights are there. */
  private encode(kernel: Kernel, d: Dispatch, condition: Condition | undefined): void {
    // Some systems' watchdogs count command buffers, not launches.
    const slots = condition ? 2 : 1; // the gate takes one
    if (
      this.slot + slots > SLOTS ||
      (this.flops > 0 && this.flops + (d.flops ?? 0) > this.device.budget.flops)
    ) {
      this.handOver();
    }
    if (!condition) return this.launch(kernel, d);
    if (this.gated !== condition) {
      const whole: Tensor = {
        ...{ shape: [SLOTS, SLOT / 4], dtype: "f32", offset: 0, byteLength: SLOT * SLOTS },
        buffer: this.paramsBuffer,
      };
      this.launch(this.device.kernels.get(GATE), {
        ...GATE,
        params: [SLOTS],
        buffers: [whole, condition.state, { ...whole, buffer: this.sizes(), byteLength: 16 * SLOTS }],
        groups: [SLOTS / 256],
      });
      this.gated = condition;
    }
    this.submitted.conditional = true;
    this.launch(kernel, d, this.sizes());
  }

  /** The buffer of sizes, made when it is first needed. */
  private sizes(): GPUBuffer {
    return this.sizesBuffer ??= this.device.memory.allocator.buffer(
      { size: 16 * SLOTS, usage: 0x100 | 0x80 }, // INDIRECT | STORAGE
      "sizes of launches",
    );
  }

  /**
   * Records a launch in the open command buffer.
   *
   * @param sizes Where the GPU finds the launch's size, in its slot; else it is `d.groups`.
   */
  private launch(kernel: Kernel, d: Dispatch, sizes?: GPUBuffer): void {
    const [x, y = 1, z = 1] = d.groups;
    const base = this.slot * SLOT / 4;
    d.params.forEach((p, i) => {
      if (typeof p === "number") this.u32[base + i] = p;
      else this.f32[base + i] = p.f32;
    });
    if (sizes) this.u32.set([x, y, z], base + SIZES_AT);
    const at = this.slot * SLOT;
    const sizeAt = this.slot * 16;
    this.slot++;
    this.flops += d.flops ?? 0;

    this.encoder ??= this.device.gpu.createCommandEncoder();
    let pass = this.pass;
    if (this.profiling) {
      const i = this.profiling.entries.length;
      pass = this.encoder.beginComputePass({
        timestampWrites: {
          querySet: this.profiling.set,
          beginningOfPassWriteIndex: 2 * i,
          endOfPassWriteIndex: 2 * i + 1,
        },
      });
      this.profiling.entries.push({ kernel: d.shader, flops: d.flops ?? 0 });
    } else {
      pass ??= this.pass = this.encoder.beginComputePass();
    }
    pass.setPipeline(kernel.pipeline);
    pass.setBindGroup(0, this.bindGroup(kernel, d.buffers), [at]);
    if (sizes) pass.dispatchWorkgroupsIndirect(sizes, sizeAt);
    else pass.dispatchWorkgroups(x, y, z);
    if (this.profiling) {
      pass.end();
      if (this.profiling.entries.length === this.profiling.set.count / 2) {
        throw new LssgenError("internal", "Profile is full: collect it more often");
      }
    }
  }

  /**
   * A kernel's operands bound, kept for the next launch of the same: every step takes the same buffers from the pool, and making
   * a bind group is half of what a launch costs the CPU.
   */
  private bindGroup(kernel: Kernel, buffers: Dispatch["buffers"]): GPUBindGroup {
    let key = `${this.idOf(kernel)}`;
    const resources = buffers.map((b): GPUTexture | GPUBufferBinding => {
      const bound = b ?? this.device.memory.empty;
      if ("createView" in bound) {
        key += `,${this.idOf(bound)}`;
        return bound;
      }
      const range = "tensor" in bound
        ? { buffer: bound.tensor.buffer, offset: bound.tensor.offset + bound.offset, size: bound.size }
        : { buffer: bound.buffer, offset: bound.offset, size: bound.byteLength };
      const { size } = range;
      const { buffer, offset: start } = placeOf(range.buffer);
      const offset = start + range.offset;
      key += `,${this.idOf(buffer)}+${offset}:${size}`;
      return { buffer, offset, size };
    });
    let group = this.bindGroups.get(key);
    if (!group) {
      if (this.bindGroups.size >= MOST_BIND_GROUPS) this.bindGroups.clear();
      const entries = resources.map((resource, i) => ({
        binding: i + 1,
        resource: "createView" in resource ? resource.createView() : resource,
      }));
      const params = { binding: 0, resource: { buffer: this.paramsBuffer, size: SLOT } };
      group = this.device.gpu.createBindGroup({ layout: kernel.layout, entries: [params, ...entries] });
      this.bindGroups.set(key, group);
    }
    return group;
  }

  /** A number of its own for each kernel, buffer and texture. */
  private idOf(thing: object): number {
    let id = this.ids.get(thing);
    if (id === undefined) this.ids.set(thing, id = this.nextId++);
    return id;
  }

  /** Copies bytes between tensors, in order with the launches. Offsets and size are multiples of 4. */
  copy(from: Tensor, fromOffset: number, to: Tensor, toOffset: number, bytes: number): void {
    this.inOrder([from], () => {
      const { buffer, offset } = placeOf(from.buffer);
      this.endPass();
      this.encoder ??= this.device.gpu.createCommandEncoder();
      const start = offset + from.offset + fromOffset;
      this.encoder.copyBufferToBuffer(buffer, start, to.buffer, to.offset + toOffset, bytes);
    });
  }

  /**
   * Hands what was recorded to the GPU, without waiting. What needs streamed weights is handed over by {@linkcode pace} and
   * {@linkcode read} only, which wait for them.
   *
   * @throws {AbortedError} when the signal fired.
   */
  submit(): void {
    this.device.check();
    if (this.signal?.aborted) throw new AbortedError();
    if (!this.waits) this.handOver();
  }

  /** Whether something recorded waits for weights. */
  private get waits(): boolean {
    return this.waiting.length > 0 || this.catchingUp || this.wouldWait;
  }

  /** In a rehearsal: whether something would wait for weights by now. */
  private wouldWait = false;

  /** {@linkcode submit} of what has its weights. */
  private handOver(): void {
    this.device.check();
    if (this.signal?.aborted) throw new AbortedError();
    if (!this.encoder) return;
    this.endPass();
    // The queue runs in order: this write waits for the launches that read the former parameters.
    if (this.slot > 0) {
      this.device.gpu.queue.writeBuffer(this.paramsBuffer, 0, this.params, 0, this.slot * SLOT);
    }
    this.askForEnd();
    const { submitted } = this;
    this.submitted = {
      ...submitted,
      flops: submitted.flops + this.flops,
      since: Math.min(submitted.since, performance.now()),
    };
    this.device.gpu.queue.submit([this.encoder.finish()]);
    for (const buffer of this.filled) this.filling.delete(buffer);
    this.filled.length = 0;
    this.encoder = undefined;
    this.gated = undefined;
    this.slot = 0;
    this.flops = 0;
  }

  /**
   * Gives what the pool holds back to the driver; what was recorded with it is submitted first. Nothing happens while launches wait
   * for streamed weights: they need what is in the pool.
   *
   * @param options `beyond`: bytes that the pool may hold without being emptied. `copies`: bytes of weights' copies in textures that may
   *   stay; more go, and are made again where they are used.
   */
  trim({ beyond = 0, copies = Infinity }: { beyond?: number; copies?: number } = {}): void {
    const { memory } = this.device;
    if (this.waits || memory.use().pooled < beyond) return;
    this.submit();
    // They hold on to buffers that are gone.
    this.bindGroups.clear();
    if (memory.copies > copies) memory.forgetAllTexels();
    memory.trim();
  }

  /**
   * A copy of some bytes in a texture of {@linkcode TEXEL_ROW} texels of 16 bytes a row, read by kernels as
   * one long list; it belongs to the innermost scope. `size` is a multiple of 16.
   */
  texels(x: Tensor | Binding): GPUTexture {
    const { tensor, offset, size } = "tensor" in x ? x : { tensor: x, offset: 0, size: x.byteLength };
    const texture = this.device.memory.takeTexels(size);
    this.scopes[this.scopes.length - 1].ownTexels(texture);
    this.copyTexels(tensor, offset, size, texture);
    return texture;
  }

  /**
   * As {@linkcode texels} for windows of a tensor, one after the other: the copy of one is freed for the next one's, whose launches
   * come later in the queue. The window that was copied last is not copied again.
   */
  copiesOneByOne(): (window: Tensor | Binding) => GPUTexture {
    let last: { window: Tensor | Binding; texels: GPUTexture; scope: Scope } | undefined;
    return (window) => {
      if (last?.window !== window) {
        last?.scope.freeTexels(last.texels);
        last = { window, texels: this.texels(window), scope: this.scopes[this.scopes.length - 1] };
      }
      return last.texels;
    };
  }

  /**
   * The same of a weight's whole buffer, made once and kept for later launches while there is room for such copies: copying
   * it for each launch takes a tenth of a step with few rows.
   */
  weightTexels(buffer: GPUBuffer, size: number): GPUTexture {
    const { memory } = this.device;
    // What is not kept itself has no copy that is.
    const whole: Tensor = { shape: [], dtype: "f32", buffer, offset: 0, byteLength: size };
    if (streamedOf(buffer)) return this.texels(whole);
    const ready = memory.keptTexels(buffer);
    if (ready && ready.height * TEXEL_ROW * 16 >= size) return ready;
    const kept = ready ? undefined : memory.keepTexels(buffer, size);
    if (!kept) return this.texels(whole);
    // In a rehearsal nothing is handed over, and every copy counts as made.
    if (!this.device.rehearses) this.filling.add(buffer);
    this.copyTexels(whole, 0, size, kept);
    return kept;
  }

  /** Records the copy: whole rows, then what is left of one. */
  private copyTexels(source: Tensor, start: number, size: number, texture: GPUTexture): void {
    this.inOrder([source], () => {
      const { buffer, offset } = placeOf(source.buffer);
      this.encodeTexels(buffer, offset + source.offset + start, size, texture);
    });
  }

  /** Records the copy of a buffer that is there. */
  private encodeTexels(buffer: GPUBuffer, at: number, size: number, texture: GPUTexture): void {
    if (this.filling.has(buffer)) this.filled.push(buffer);
    this.endPass();
    this.encoder ??= this.device.gpu.createCommandEncoder();
    const rowBytes = TEXEL_ROW * 16;
    const rows = Math.floor(size / rowBytes);
    const rest = size / 16 - rows * TEXEL_ROW;
    const from = { buffer, bytesPerRow: rowBytes };
    // What lies behind in the buffer comes along where there is a whole row of it: one copy less.
    if (rest > 0 && at + (rows + 1) * rowBytes <= buffer.size) {
      this.encoder.copyBufferToTexture({ ...from, offset: at }, { texture }, [TEXEL_ROW, rows + 1]);
      return;
    }
    if (rows > 0) {
      this.encoder.copyBufferToTexture({ ...from, offset: at }, { texture }, [TEXEL_ROW, rows]);
    }
    if (rest > 0) {
      const last = { ...from, offset: at + rows * rowBytes };
      this.encoder.copyBufferToTexture(last, { texture, origin: [0, rows] }, [rest, 1]);
    }
  }

  /**
   * Submits, then waits for what was paced *before*: the GPU always has the next step at hand while the CPU stays at
   * most one step ahead, so stopping takes at most a step. The time between two of these ends tells the device's
   * budget how fast it is.
   */
  async pace(): Promise<void> {
    if (this.waits) await this.catchUp();
    this.submit();
    this.askForEnd(); // where nothing was submitted
    const before = this.inFlight;
    this.inFlight = undefined;
    this.paced = this.submitted;
    this.submitted = { flops: 0, since: Infinity, conditional: false };
    if (before) {
      const end = await before.done;
      // Nobody here knows how much was computed of what depended on the GPU.
      const { flops, conditional } = before;
      if (!conditional) this.device.budget.learn(flops, end - Math.max(this.ended, before.since));
      this.ended = end;
    }
    this.device.check();
    if (this.signal?.aborted) throw new AbortedError();
  }

  /**
   * Asks for the end of the step that was paced, when the next one is ready to follow it: Deno's call returns only when the
   * queue is empty, so a step that is encoded after it would find the GPU idle.
   */
  private askForEnd(): void {
    if (!this.paced) return;
    const done = this.device.gpu.queue.onSubmittedWorkDone().then(() => performance.now());
    // A lost device may reject it when nobody is waiting any more; check() tells of the loss.
    done.catch(() => {});
    this.inFlight = { ...this.paced, done };
    this.paced = undefined;
  }

  /** Submits and reads a tensor back as f32. */
  async read(t: Tensor): Promise<Float32Array<ArrayBuffer>> {
    const count = elements(t.shape);
    const size = Math.ceil(count * DTYPE_BYTES[t.dtype] / 4) * 4;
    const staging = this.device.memory.allocator.buffer(
      { size, usage: 0x01 | 0x08 }, // MAP_READ | COPY_DST
      `reading back [${t.shape}]`,
    );
    try {
      this.inOrder([], () => {
        this.endPass();
        this.encoder ??= this.device.gpu.createCommandEncoder();
        this.encoder.copyBufferToBuffer(t.buffer, t.offset, staging, 0, size);
      });
      if (this.waits) await this.catchUp();
      this.submit();
      await staging.mapAsync(0x01);
      this.device.check();
      const bytes = staging.getMappedRange().slice(0);
      staging.unmap();
      return t.dtype === "f32"
        ? new Float32Array(bytes, 0, count)
        : Float32Array.from(new Float16Array(bytes, 0, count));
    } finally {
      staging.destroy();
    }
  }

  /** Starts timing every launch by itself; needs timestamp-query. */
  startProfile(): void {
    if (!this.device.info.timestamps) {
      throw new LssgenError("unsupported", "Profiling needs an adapter with timestamp-query");
    }
    this.submit();
    this.profiling = { entries: [], set: this.device.gpu.createQuerySet({ type: "timestamp", count: 4096 }) };
  }

  /** Ends the profile and returns the milliseconds of every launch since its start. */
  async endProfile(): Promise<ProfileEntry[]> {
    const profile = this.profiling;
    if (!profile) throw new LssgenError("internal", "No profile was started");
    this.profiling = undefined;
    const n = profile.entries.length;
    const gpu = this.device.gpu;
    const resolved = gpu.createBuffer({ size: 16 * Math.max(1, n), usage: 0x200 | 0x04 }); // QUERY_RESOLVE | COPY_SRC
    const staging = gpu.createBuffer({ size: 16 * Math.max(1, n), usage: 0x01 | 0x08 });
    if (this.waits) await this.catchUp();
    this.encoder ??= gpu.createCommandEncoder();
    if (n > 0) this.encoder.resolveQuerySet(profile.set, 0, 2 * n, resolved, 0);
    this.encoder.copyBufferToBuffer(resolved, 0, staging, 0, 16 * Math.max(1, n));
    this.submit();
    await staging.mapAsync(0x01);
    const t = new BigUint64Array(staging.getMappedRange().slice(0));
    staging.destroy();
    resolved.destroy();
    profile.set.destroy();
    return profile.entries.map((e, i) => ({ ...e, ms: Number(t[2 * i + 1] - t[2 * i]) / 1e6 }));
  }

  /** Frees the recorder's own buffers and every tensor not kept elsewhere. */
  [Symbol.dispose](): void {
    while (this.scopes.length > 0) this.scopes[this.scopes.length - 1][Symbol.dispose]();
    // After an error or a stop these copies were never made.
    for (const buffer of this.filling) this.device.memory.forgetTexels(buffer);
    this.paramsBuffer.destroy();
    this.sizesBuffer?.destroy();
  }

  /** Ends the compute pass, if one is open. */
  private endPass(): void {
    this.pass?.end();
    this.pass = undefined;
  }
}

/** Owner of the tensors made while it is the innermost scope of its recorder. */
export class Scope {
  private readonly owned = new Set<GPUBuffer>();
  private readonly textures: GPUTexture[] = [];

  /** Use `recorder.scope()`. */
  constructor(private readonly recorder: Recorder, private readonly parent: Scope | undefined) {}

  /** For the recorder: takes charge of a buffer. */
  own(buffer: GPUBuffer): void {
    this.owned.add(buffer);
  }

  /** For the recorder: takes charge of a texture. */
  ownTexels(texture: GPUTexture): void {
    this.textures.push(texture);
  }

  /** Hands a tensor to the enclosing scope: it outlives this one. */
  keep(t: Tensor): Tensor {
    if (this.owned.delete(t.buffer)) this.parent?.own(t.buffer);
    return t;
  }

  /** Takes a tensor out of all scopes: the caller must release it to `device.memory`. */
  detach(t: Tensor): Tensor {
    this.owned.delete(t.buffer);
    return t;
  }

  /** Frees a tensor of this scope before the scope ends. */
  free(t: Tensor): void {
    if (this.owned.delete(t.buffer)) this.recorder.device.memory.release(t.buffer);
  }

  /** Frees a texture of this scope before the scope ends. */
  freeTexels(texture: GPUTexture): void {
    const at = this.textures.indexOf(texture);
    if (at < 0) return;
    this.textures.splice(at, 1);
    this.recorder.device.memory.releaseTexels(texture);
  }

  /** Frees what was not kept. */
  [Symbol.dispose](): void {
    this.recorder.close(this);
    for (const buffer of this.owned) this.recorder.device.memory.release(buffer);
    this.owned.clear();
    for (const texture of this.textures) this.recorder.device.memory.releaseTexels(texture);
    this.textures.length = 0;
  }
}
