/** What engines lack that the library relies on; imported before everything else. */

// Safari has no explicit resource management yet; compiled `using` looks these symbols up.
const symbols = Symbol as unknown as { dispose?: symbol; asyncDispose?: symbol };
symbols.dispose ??= Symbol.for("Symbol.dispose");
symbols.asyncDispose ??= Symbol.for("Symbol.asyncDispose");
