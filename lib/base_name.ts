/**
 * Names that strangers may read.
 *
 * @module
 */

/** The last part of a path: where a file lies on this machine is nobody else's business. */
export function baseName(path: string): string {
  const trimmed = path.replace(/[/\\]+$/, "");
  return trimmed.slice(Math.max(trimmed.lastIndexOf("/"), trimmed.lastIndexOf("\\")) + 1) || trimmed;
}

/** Whole paths with their last part: a quoted one may hold blanks. */
const QUOTED = /"(?:[A-Za-z]:)?[\\/](?:[^"\n]*[\\/])?([^"\\/\n]+)[\\/]?"/g;
const BARE = /(?<![\w:/\\."<])(?:[A-Za-z]:)?[\\/](?:[^\s"'`:;,\\/]+[\\/])+([^\s"'`:;,\\/]+)/g;

/** A sentence in which whole paths are names, so that strangers may read it. */
export function withoutFolders(sentence: string): string {
  return sentence.replace(QUOTED, '"$1"').replace(BARE, "$1");
}
