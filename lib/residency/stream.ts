/**
 * Weights that come to the GPU when they are used: while it computes with some, the next ones are read and written into one of a few
 * slots. A slot is filled unit by unit in the order of use, and again as soon as the launches that used it were handed over: the
 * GPU's queue keeps the order of writes and launches.
 *
 * @module
 */

import { AbortedError } from "../errors.ts";
import type { Device } from "../gpu/device.ts";
import {
  type Bringing,
  StreamedBuffer,
  type StreamedPlace,
  type StreamedUnit,
  type Streaming,
} from "../gpu/streamed.ts";
import { sixteens } from "../tensor.ts";
import { type Ahead, readAhead, type Transfer } from "./transfers.ts";
import { Upload } from "./upload.ts";

const AHEAD: Ahead = { reads: 24, bytes: 128 << 20 };
/** Bytes written before the GPU is waited for: drivers hold a copy of each until it is done. */
const UNFINISHED = 128 << 20;

/** Host memory that streaming takes at most beside what `--offload cpu` keeps: what is read ahead, and the driver's copies. */
export const STREAMING_HOST_BYTES: number = AHEAD.bytes + UNFINISHED;

/** One or several weights that come to the GPU together. */
export class Unit implements StreamedUnit {
  /** Its buffers, in the order of `sizes`. */
  readonly buffers: readonly StreamedBuffer[];
  /** Bytes of a slot that it takes. */
  readonly bytes: number;

  /** @param stream Who brings it. @param sizes Bytes of its buffers. @param transfers What has to be read each time. */
  constructor(
    readonly stream: Stream,
    sizes: readonly number[],
    readonly transfers: () => readonly Transfer[],
  ) {
    this.buffers = sizes.map((size) => new StreamedBuffer(sixteens(size), this));
    this.bytes = this.buffers.reduce((sum, { size }) => sum + aligned(size), 0);
  }
}

/** What a part of a model needs of the slots. */
export interface SlotNeed {
  /** Bytes of its largest unit. */
  readonly largest: number;
  /** Bytes of all its units. */
  readonly total: number;
  /** Number of slots. */
  readonly slots: number;
  /** Bytes of a slot at least, where the part has as many. */
  readonly least: number;
}

interface Slot {
  readonly buffer: GPUBuffer;
  used: number;
  /** Units in it that are still to be used. */
  pending: number;
}

const streams = new WeakMap<Device, Stream>();

/** A device's slots, shared by all parts of models that stream there. */
export class Stream implements Streaming {
  private readonly needs = new Map<object, SlotNeed>();
  private slots: Slot[] = [];
  private upload: Upload | undefined;

  private constructor(private readonly device: Device) {}

  /** The one of a device. */
  static of(device: Device): Stream {
    let stream = streams.get(device);
    if (!stream) streams.set(device, stream = new Stream(device));
    return stream;
  }

  /** Makes room for a part of a model. */
  join(part: object, need: SlotNeed): void {
    this.needs.set(part, need);
    this.resize();
  }

  /** A part is gone. */
  leave(part: object): void {
    if (this.needs.delete(part)) this.resize();
  }

  /** Bytes of all slots. */
  get bytes(): number {
    return this.slots.reduce((sum, { buffer }) => sum + buffer.size, 0);
  }

  private resize(): void {
    const needs = [...this.needs.values()];
    const size = needs.reduce((most, need) => Math.max(most, slotBytes(need)), 0);
    const count = needs.length === 0 ? 0 : Math.max(...needs.map(({ slots }) => slots));
    if (this.slots.length === count && (count === 0 || this.slots[0].buffer.size === size)) return;
    const { memory } = this.device;
    memory.countWeights(-this.bytes);
    for (const { buffer } of this.slots) buffer.destroy();
    this.slots = Array.from({ length: count }, () => ({
      // STORAGE | COPY_SRC | COPY_DST
      buffer: memory.allocator.buffer({ size, usage: 0x80 | 0x04 | 0x08 }, "a slot for streamed weights"),
      used: 0,
      pending: 0,
    }));
    memory.countWeights(this.bytes);
    if (count > 0) return;
    this.upload?.[Symbol.dispose]();
    this.upload = undefined;
  }

  /** See {@linkcode Streaming.begin}. */
  begin(uses: readonly (readonly StreamedUnit[])[], signal: AbortSignal | undefined): Bringing {
    // One for all: what it holds must not come from the pool while launches wait that use the pool's buffers.
    this.upload ??= new Upload(this.device, undefined);
    for (const slot of this.slots) slot.used = slot.pending = 0;
    return new Run(this.slots, this.upload, staysOf(uses), signal);
  }

  /** Brings each of some units once, for what their uploads find out. */
  async pass(units: readonly Unit[], signal: AbortSignal | undefined): Promise<void> {
    const bringing = this.begin(units.map((unit) => [unit]), signal);
    this.upload?.forgetBeyond();
    try {
      for (const i of units.keys()) {
        await bringing.ready(i);
        bringing.submitted(i + 1);
      }
    } finally {
      await bringing.end();
    }
  }

  /** Numbers of the tensors of the last {@linkcode pass} that hold a finite value which f16 cannot hold. */
  async beyond(): Promise<number[]> {
    return await this.upload?.beyond() ?? [];
  }
}

/** Bytes of a slot for a part's need. */
export function slotBytes({ largest, total, slots, least }: SlotNeed): number {
  return Math.max(largest, Math.min(least, Math.ceil(total / slots / 256) * 256));
}

/** A unit from its first use to its last before others push it out. */
interface Stay {
  readonly unit: Unit;
  readonly first: number;
  last: number;
  /** Until all launches that use it were handed over. */
  slot?: Slot;
  /** Of the unit's buffers. */
  places?: readonly StreamedPlace[];
  isThere: boolean;
  readonly there: Promise<void>;
  readonly arrive: () => void;
  readonly fail: (error: unknown) => void;
}

/** Launches use a weight several times in a row, perhaps with one other between: that is one stay. */
const BETWEEN = 1;

function staysOf(uses: readonly (readonly StreamedUnit[])[]): { stays: Stay[]; ofLaunch: Stay[][] } {
  const stays: Stay[] = [];
  const ofLaunch = uses.map((units, launch) =>
    units.map((unit): Stay => {
      const recent = stays.slice(-1 - BETWEEN).find((stay) => stay.unit === unit);
      if (recent) {
        recent.last = launch;
        return recent;
      }
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      promise.catch(() => {}); // told to the launch that waits
      const stay = {
        unit: unit as Unit,
        first: launch,
        last: launch,
        isThere: false,
        there: promise,
        arrive: resolve,
        fail: reject,
      };
      stays.push(stay);
      return stay;
    })
  );
  return { stays, ofLaunch };
}

/** The units of one list of launches on their way. */
class Run implements Bringing {
  private readonly stays: readonly Stay[];
  private readonly ofLaunch: readonly (readonly Stay[])[];
  private readonly filling: Promise<void>;
  private ended = false;
  /** The slot that is being filled. */
  private at = 0;
  /** The first stay that is still needed. */
  private gone = 0;
  private roomMade = Promise.withResolvers<void>();

  constructor(
    private readonly slots: readonly Slot[],
    private readonly upload: Upload,
    { stays, ofLaunch }: ReturnType<typeof staysOf>,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.stays = stays;
    this.ofLaunch = ofLaunch;
    this.filling = this.fill().catch((error) => {
      for (const stay of stays) if (!stay.isThere) stay.fail(error);
    });
  }

  isReady(launch: number): boolean {
    return this.ofLaunch[launch].every(({ isThere }) => isThere);
  }

  place(launch: number): void {
    for (const stay of this.ofLaunch[launch]) arrange(stay);
  }

  async ready(launch: number): Promise<void> {
    for (const stay of this.ofLaunch[launch]) await stay.there;
    if (this.signal?.aborted) throw new AbortedError();
  }

  submitted(launch: number): void {
    let some = false;
    for (let i = this.gone; i < this.stays.length && this.stays[i].first < launch; i++) {
      const { slot, last } = this.stays[i];
      if (last < launch && slot) {
        slot.pending--;
        this.stays[i].slot = undefined;
        some = true;
      }
      if (i === this.gone && !this.stays[i].slot && this.stays[i].isThere) this.gone++;
    }
    if (!some) return;
    this.roomMade.resolve();
    this.roomMade = Promise.withResolvers();
  }

  async end(): Promise<void> {
    this.ended = true;
    this.roomMade.resolve();
    await this.filling;
    for (const { unit } of this.stays) for (const buffer of unit.buffers) buffer.place = undefined;
  }

  /** Reads what is used, in that order, and writes it into the slots as room is made. */
  private async fill(): Promise<void> {
    for await (const { item: { stay, ends }, job } of readAhead(this.transfers(), AHEAD)) {
      const write = await job;
      if (!stay.slot && !await this.takePlace(stay)) return;
      if (this.signal?.aborted) throw new AbortedError();
      arrange(stay);
      write(this.upload);
      if (ends) {
        this.upload.handOver();
        stay.isThere = true;
        stay.arrive();
      }
      await this.upload.pace(UNFINISHED);
    }
  }

  private *transfers(): Generator<{ stay: Stay; ends: boolean; transfer: Transfer }> {
    for (const stay of this.stays) {
      const transfers = stay.unit.transfers();
      if (transfers.length === 0) throw new RangeError("a streamed unit with nothing to read");
      for (const [i, transfer] of transfers.entries()) {
        yield { stay, ends: i === transfers.length - 1, transfer };
      }
    }
  }

  /** Finds room for a unit. @returns False when nobody waits for it any more. */
  private async takePlace(stay: Stay): Promise<boolean> {
    const { unit } = stay;
    let slot = this.slots[this.at];
    if (slot.used + unit.bytes > slot.buffer.size) {
      this.at = (this.at + 1) % this.slots.length;
      slot = this.slots[this.at];
      while (slot.pending > 0 && !this.ended) await this.roomMade.promise;
      slot.used = 0;
    }
    if (this.ended) return false;
    stay.places = unit.buffers.map(({ size }) => {
      const place = { buffer: slot.buffer, offset: slot.used };
      slot.used += aligned(size);
      return place;
    });
    slot.pending++;
    stay.slot = slot;
    return true;
  }
}

/** A unit may be on its way for a later use while it waits for an earlier one: its buffers are told where to look each time. */
function arrange({ unit, places }: Stay): void {
  unit.buffers.forEach((buffer, i) => buffer.place = places![i]);
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / 256) * 256;
}
