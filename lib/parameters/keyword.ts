/**
 * The name under which pictures store their parameters.
 *
 * @module
 */

/** Keyword of the PNG text chunk that holds all parameters as JSON. */
export const PARAMETERS_KEYWORD = "lssgen";
