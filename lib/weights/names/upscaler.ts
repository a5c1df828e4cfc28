/**
 * Tensor names of ESRGAN's networks (RRDBNet), of which there are three layouts, under those of Real-ESRGAN; and of
 * SRVGGNetCompact, which has one. Trainers put `params_ema.` or `params.` in front.
 *
 * @module
 */

import { LssgenError } from "../../errors.ts";
import type { Checkpoint } from "../types.ts";
import type { Origin, Originals } from "./family.ts";
import { RenamedCheckpoint } from "./view.ts";

/** A network that enlarges pictures. */
export type UpscalerKind = "RRDBNet" | "SRVGGNetCompact";

/** One layout of names. */
interface UpscalerNames {
  readonly network: UpscalerKind;
  /** Whose names they are. */
  readonly layout: string;
  /** Ends the name of a tensor that only this layout has; what stands before it is the prefix. */
  readonly marker: string;
  /** Tensors that a file of this layout has too, where the marker alone does not tell. */
  readonly also?: string;
  /** From a tensor's own name to Real-ESRGAN's, for a file of these tensors. */
  rename(originals: Originals): (name: string) => string;
}

const same = (): (name: string) => string => (name) => name;

/** The first that fits counts. */
const LAYOUTS: readonly UpscalerNames[] = [
  {
    network: "RRDBNet",
    layout: "Real-ESRGAN",
    marker: "body.0.rdb1.conv1.weight",
    rename: same,
  },
  {
    network: "RRDBNet",
    layout: "ESRGAN and BSRGAN",
    marker: "RRDB_trunk.0.RDB1.conv1.weight",
    rename: () => {
      const whole: Readonly<Record<string, string>> = {
        trunk_conv: "conv_body",
        upconv1: "conv_up1",
        upconv2: "conv_up2",
        upconv3: "conv_up3",
        HRconv: "conv_hr",
      };
      return (name) =>
        name.replace(/^RRDB_trunk\.(\d+)\.RDB(\d)\./, "body.$1.rdb$2.")
          .replace(/^\w+(?=\.)/, (first) => Object.hasOwn(whole, first) ? whole[first] : first);
    },
  },
  {
    network: "RRDBNet",
    layout: "ESRGAN's first release",
    marker: "model.1.sub.0.RDB1.conv1.0.weight",
    rename: (originals) => {
      // Layers without weights count too: after the blocks come the upsampling convolutions, conv_hr and conv_last.
      const layers = [...originals.keys()].map((name) => /^model\.(\d+)\.weight$/.exec(name)?.[1])
        .filter((layer) => layer !== undefined).map(Number).filter((layer) => layer > 1)
        .sort((a, b) => a - b);
      const names = new Map<number, string>([[0, "conv_first"]]);
      layers.forEach((layer, i) => {
        const left = layers.length - i;
        names.set(layer, left === 1 ? "conv_last" : left === 2 ? "conv_hr" : `conv_up${i + 1}`);
      });
      return (name) =>
        name.replace(/^model\.1\.sub\.(\d+)\.RDB(\d)\.(conv\d)\.0\./, "body.$1.rdb$2.$3.")
          .replace(/^model\.1\.sub\.\d+\.(?=weight$|bias$)/, "conv_body.")
          .replace(/^model\.(\d+)\.(?=weight$|bias$)/, (all, layer) => {
            const known = names.get(Number(layer));
            return known === undefined ? all : `${known}.`;
          });
    },
  },
  {
    network: "SRVGGNetCompact",
    layout: "Real-ESRGAN",
    marker: "body.0.weight",
    also: "body.1.weight",
    rename: same,
  },
];

/**
 * A file of a network that enlarges pictures, under Real-ESRGAN's names.
 *
 * @throws {LssgenError} `unsupported` for other networks, naming some of their tensors.
 */
export function underUpscalerNames(source: Checkpoint): { network: UpscalerKind; checkpoint: Checkpoint } {
  const names = [...source.names()];
  for (const { network, layout, marker, also, rename } of LAYOUTS) {
    const found = names.find((name) => name === marker || name.endsWith(`.${marker}`));
    if (found === undefined) continue;
    const prefix = found.slice(0, -marker.length);
    if (also !== undefined && !source.info(prefix + also)) continue;
    const family = {
      kind: "upscaler",
      layout,
      markers: [marker],
      *map(originals: Originals): Generator<readonly [string, Origin]> {
        const renamed = rename(originals);
        for (const tensor of originals.keys()) yield [renamed(tensor), { tensor }];
      },
    } as const;
    // Weights of training beside their moving average, and the discriminator, do not show.
    const mine = names.filter((name) => name.startsWith(prefix));
    return { network, checkpoint: new RenamedCheckpoint(source, family, prefix, mine) };
  }
  throw new LssgenError(
    "unsupported",
    `"${source.name}" is no network that enlarges pictures and is known here: RRDBNet (ESRGAN, Real-ESRGAN) and ` +
      `SRVGGNetCompact are; its tensors are ${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""}`,
  );
}
