/**
 * Names of models on a hub: `ORG/NAME` and the spellings that people copy from elsewhere.
 *
 * @module
 */

import { LssgenError } from "../errors.ts";

/** A repository, or one file of it. */
export interface HubName {
  /** `ORG/NAME`. */
  readonly repo: string;
  /** Branch, tag or commit; the default branch when absent. */
  readonly revision?: string;
  /** A file's path in the repository, or a part of its name that tells it from the others (`Q4_K_M`). */
  readonly file?: string;
}

/** Where the public hub is. */
export const PUBLIC_HUB = "https://huggingface.co";

/** Hosts whose addresses name repositories. Requests go to the endpoint, whatever the address says. */
const HOSTS: readonly string[] = ["huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co"];

const SEGMENT = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}";
const REPOSITORY = new RegExp(`^${SEGMENT}/${SEGMENT}$`);
/** `ORG/NAME`, `ORG/NAME@REVISION`, `ORG/NAME:FILE`. */
const SHORT = new RegExp(`^(${SEGMENT}/${SEGMENT})(?:@([^:@\\s]+))?(?::([^:\\s][^:]*))?$`);
/** `hf://ORG/NAME@REVISION/FILE`; revisions with slashes begin with refs/. */
const URI = new RegExp(
  `^hf://(?:models/)?(${SEGMENT}/${SEGMENT})(?:@(refs/(?:pr|convert)/[^/]+|[^/]+))?(?:/(.+))?$`,
);

/**
 * Reads a name. All of these name a repository or a file in one:
 *
 * - `ORG/NAME`, `ORG/NAME@REVISION`, `ORG/NAME:FILE` (exactly one slash before the colon, none at either end),
 * - `hf://ORG/NAME`, `hf://ORG/NAME@REVISION/FILE`,
 * - `hf.co/ORG/NAME`, `https://huggingface.co/ORG/NAME`, with `/tree/REVISION`, `/blob/REVISION/FILE`,
 *   `/resolve/REVISION/FILE` or `:FILE` behind it.
 *
 * `FILE` is a path in the repository, or a part of one file's name.
 *
 * @param text As typed.
 * @param endpoint Address of the hub in use; its pages' addresses are names, too.
 * @returns undefined for everything else: paths of the disk and other addresses.
 * @throws {LssgenError} `bad_option` for a hub's address that names no model.
 */
export function parseHubName(text: string, endpoint: string = PUBLIC_HUB): HubName | undefined {
  const short = SHORT.exec(text);
  if (short) {
    const [, repo, revision, file] = short;
    // "hf.co/gpt2" is an address, no organisation called hf.co.
    if (HOSTS.includes(repo.split("/")[0].toLowerCase())) throw noModel(text);
    return sound(repo) ? name(repo, revision, file) : undefined;
  }
  if (text.startsWith("hf://")) {
    const uri = URI.exec(text);
    if (!uri || !sound(uri[1])) throw noModel(text);
    return name(uri[1], uri[2], uri[3]);
  }
  const path = pathOnHub(text, endpoint);
  return path === undefined ? undefined : parsePath(path, text);
}

/** What follows the hub's host; undefined when it is not a hub's address. */
function pathOnHub(text: string, endpoint: string): string | undefined {
  const bare = HOSTS.find((host) => text.toLowerCase().startsWith(`${host}/`));
  if (bare) return text.slice(bare.length + 1);
  if (!/^https?:\/\//i.test(text)) return undefined;
  if (text.startsWith(`${endpoint}/`)) return text.slice(endpoint.length + 1);
  const found = /^https?:\/\/([^/]+)\/(.*)$/i.exec(text);
  return found && HOSTS.includes(found[1].toLowerCase()) ? found[2] : undefined;
}

function parsePath(path: string, text: string): HubName | undefined {
  const [plain] = path.split(/[?#]/);
  const segments = plain.split("/");
  if (segments[0] === "models") segments.shift();
  if (segments[0] === "datasets" || segments[0] === "spaces") {
    throw new LssgenError(
      "bad_option",
      `"${text}" is the address of one of the hub's ${segments[0]}, expected a model: ORG/NAME`,
    );
  }
  const [organisation, second = "", kind, revision, ...rest] = segments;
  const colon = second.indexOf(":");
  const repo = `${organisation}/${colon < 0 ? second : second.slice(0, colon)}`;
  if (!sound(repo)) throw noModel(text);
  if (colon >= 0) return name(repo, undefined, segments.slice(1).join("/").slice(colon + 1));
  if (kind === undefined || kind === "") return name(repo);
  if (!["tree", "blob", "resolve", "raw"].includes(kind) || !revision) throw noModel(text);
  const file = rest.map(decoded).join("/");
  if (file === "") return name(repo, decoded(revision));
  // A folder behind an address can be read as one.
  if (kind === "resolve" && file.endsWith("/")) return undefined;
  if (kind === "tree") {
    throw new LssgenError(
      "bad_option",
      `"${text}" is a folder inside a repository, expected the repository (${repo}) or one of its files`,
    );
  }
  return name(repo, decoded(revision), file);
}

function name(repo: string, revision?: string, file?: string): HubName {
  if (revision !== undefined) checkRevision(revision);
  return {
    repo,
    ...revision !== undefined && { revision },
    ...file !== undefined && file !== "" && { file },
  };
}

/** How a name is written for people, and read again by {@linkcode parseHubName}. */
export function spellHubName({ repo, revision, file }: HubName): string {
  return `${repo}${revision === undefined ? "" : `@${revision}`}${file === undefined ? "" : `:${file}`}`;
}

/**
 * Refuses revisions that would leave the folder of references.
 *
 * @throws {LssgenError} `bad_option`
 */
export function checkRevision(revision: string): void {
  // Git's own rules, as far as they matter for a file's name.
  const odd = !/^[A-Za-z0-9_][\w./+@=-]{0,199}$/.test(revision) || revision.includes("//") ||
    revision.endsWith("/") ||
    revision.split("/").some((part) => part.startsWith(".") || part.endsWith(".lock"));
  if (odd || revision.includes("..")) {
    throw new LssgenError(
      "bad_option",
      `"${revision}" is no revision, expected a branch, a tag or a commit such as main, refs/pr/3 or v1.0`,
    );
  }
}

/** What the hub takes for a repository's name. */
function sound(repo: string): boolean {
  return REPOSITORY.test(repo) && !repo.includes("--") && !repo.includes("..") &&
    !repo.split("/").some((part) => /[.-]$/.test(part) || part.endsWith(".git"));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function noModel(text: string): LssgenError {
  return new LssgenError(
    "bad_option",
    `"${text}" names no model on the hub, expected ORG/NAME, for example hf.co/black-forest-labs/FLUX.1-schnell`,
  );
}
