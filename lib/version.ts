/**
 * The version, as it stands in pictures.
 *
 * @module
 */

/** Version of this package; a test holds it to deno.json's. */
export const VERSION = "0.1.0";
