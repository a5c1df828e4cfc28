/** Examples, made small enough for a test: few pixels and steps, by the same lines. */

/** Of every request in an example. */
export const SMALL_REQUEST = {
  width: 64,
  height: 64,
  steps: 3,
  method: "direct",
  seed: 7,
} as const;

/**
 * An example's text with small requests.
 *
 * @throws When it has requests of another form than the examples'.
 */
export function smallExample(text: string): string {
  const { width, height, ...more } = SMALL_REQUEST;
  const rest = Object.entries(more).map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join(", ");
  return text.replace(
    /\{ prompt: ("[^"]*")(?:, width: 512, height: 512)?(?:, seed: 7)? \}/g,
    (_, prompt) => `{ prompt: ${prompt}, width: ${width}, height: ${height}, ${rest} }`,
  );
}
