/** Waiting for what comes by itself. */

/** Waits. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Asks again and again until there is an answer, and gives it. Pages forbid what Playwright's own waiting needs: this asks from here. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  ms = 60_000,
): Promise<T> {
  for (const end = Date.now() + ms; Date.now() < end; await pause(20)) {
    const found = await ask();
    if (found) return found;
  }
  throw new Error(`Not within ${ms} ms: ${what}`);
}
