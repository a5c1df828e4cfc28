/**
 * Handlers of the tokenizer classes: every string of tokens.json must give the recorded ids.
 *
 * @module
 */

import { LssgenError } from "../../lib/errors.ts";
import { loadTokenizer, type TokenizerFolder } from "../../lib/text/load_tokenizer.ts";
import type { Answer, CaseContext, Check, Handler } from "./case.ts";

interface Row {
  readonly text: string;
  readonly ids: readonly number[];
  readonly ids_max32?: readonly number[];
  readonly untruncated_length?: number;
  readonly pad?: string;
}

/** The case's folder, one file hidden or another padding token in place. */
function filesOf(c: CaseContext, hidden?: string, pad?: string): TokenizerFolder {
  return {
    async text(path) {
      if (path === hidden) return undefined;
      const text = await c.folder.text(path);
      if (text === undefined || pad === undefined || path !== "tokenizer_config.json") return text;
      return JSON.stringify({ ...JSON.parse(text), pad_token: pad });
    },
    async bytes(path) {
      const file = path === hidden ? undefined : await c.folder.open(path);
      return file && await file.read(0, file.size);
    },
  };
}

/** One check for all strings, naming the first few that differ. */
function agree(
  name: string,
  rows: readonly Row[],
  ids: (row: Row) => ArrayLike<number>,
  want: keyof Row,
): Check {
  const wrong = rows.filter((row) => Array.from(ids(row)).join() !== (row[want] as readonly number[]).join());
  const shown = wrong.slice(0, 3).map(({ text }) => JSON.stringify(text)).join(", ");
  return {
    name: `${name}: ${rows.length} strings`,
    ok: wrong.length === 0,
    detail: `${wrong.length} differ: ${shown}`,
  };
}

async function tokens(c: CaseContext): Promise<Record<string, readonly Row[]>> {
  const text = await c.folder.text("tokens.json");
  if (text === undefined) throw new LssgenError("bad_file", `"${c.path}" lacks tokens.json`);
  return JSON.parse(text);
}

const answer = (checks: readonly Check[]): Answer => ({ outputs: new Map(), checks });

const clip: Handler = async (c) => {
  const { cases, padded = [] } = await tokens(c);
  const tokenizer = await loadTokenizer(filesOf(c), "");
  const encode = ({ text }: Row) => tokenizer.encode(text, { maxLength: 77, padding: false }).ids;
  const checks = [
    agree("ids", cases, encode, "ids"),
    {
      name: "lengths before the cut",
      ok: cases.every((row) =>
        row.untruncated_length === undefined ||
        tokenizer.tokens(row.text).length + 2 === row.untruncated_length
      ),
    },
  ];
  for (const pad of new Set(padded.map((row) => row.pad))) {
    const other = await loadTokenizer(filesOf(c, undefined, pad), "");
    const rows = padded.filter((row) => row.pad === pad);
    checks.push(
      agree(`padded with ${pad}`, rows, ({ text }) => other.encode(text, { maxLength: 77 }).ids, "ids"),
    );
  }
  return answer(checks);
};

const t5: Handler = async (c) => {
  const { cases, ...rest } = await tokens(c);
  const checks: Check[] = [];
  // Folders bring one file or the other: both must do.
  for (const hidden of ["spiece.model", "tokenizer.json"]) {
    const left = hidden === "spiece.model" ? "tokenizer.json" : "spiece.model";
    if (!await c.folder.open(left)) continue;
    const tokenizer = await loadTokenizer(filesOf(c, hidden), "");
    const encode = (maxLength: number, padding: boolean) => ({ text }: Row) =>
      tokenizer.encode(text, { maxLength, padding }).ids;
    checks.push(agree(`ids from ${left}`, cases, encode(1e6, false), "ids"));
    const cut = cases.filter((row) => row.ids_max32);
    checks.push(agree(`32 ids at most, from ${left}`, cut, encode(32, false), "ids_max32"));
    for (const [key, rows] of Object.entries(rest)) {
      const length = Number(/^padded_max(\d+)$/.exec(key)?.[1]);
      if (length > 0) checks.push(agree(`${key} from ${left}`, rows, encode(length, true), "ids"));
    }
  }
  return answer(checks);
};

/** Class of case.json → handler. */
export const TOKENIZER_HANDLERS: Readonly<Record<string, Handler>> = {
  CLIPTokenizer: clip,
  CLIPTokenizerFast: clip,
  T5Tokenizer: t5,
  T5TokenizerFast: t5,
};
