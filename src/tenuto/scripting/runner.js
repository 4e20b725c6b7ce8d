// Evaluates one script over JSON data. Every evaluation gets a fresh engine that holds nothing but this function, so
// it is compiled each time and kept short: what is rarely needed is in outcome.js.
//
// run(request) answers the result as JSON, or false where something was thrown or the result is a promise; run(null)
// then gives what outcome.js needs to go on. A script may replace any global and so spoil its own answer, nobody
// else's. (The wrapper around the engine cannot take a text made by `+`, so none is handed out.)
(() => {
  const { stringify } = JSON;
  const { apply, get: read, setPrototypeOf } = Reflect;
  const { create, keys } = Object;
  const evaluate = eval;
  const held = { __proto__: null };

  // A script must be whole on its own, so that none closes the function around it: it is parsed in two surroundings
  // that no text can leave both. After the `}` of an arrow function only `,` or `)` may follow, after that of a
  // function statement a statement; and `[` is not closed by what closes `(`. The `throw` keeps it from running.
  const parse = (code) => {
    try {
      evaluate("throw null;" + code);
    } catch (error) {
      if (error !== null) throw error;
    }
  };
  const compile = ({ kind, source, values, checkOnly }) => {
    const isBody = kind === "body";
    parse(isBody ? "(()=>{\n" + source + "\n})" : "[\n" + source + "\n]");
    const body = isBody ? "\n" + source : "return(\n" + source + "\n)";
    const code = "(function(){function script(" + keys(values) + "){" + body + "\n}return script})()";
    return checkOnly ? parse(code) : evaluate(code);
  };

  // Absent is not null: reading a key that an object of the scope lacks throws, unless the source guards that name.
  // The objects stay ordinary ones; only what they inherit from ends in a proxy, which sees nothing but the misses.
  const strict = (original, { optional, required, computed }) => {
    const base = create(original);
    return new Proxy(base, {
      get(_, key, holder) {
        if (typeof key === "symbol" || key in base) return read(base, key, holder);
        if (key === "toJSON" || key === "then" || optional.includes(key)) return;
        if (computed && !required.includes(key)) return;
        held.absent = { holder, key, error: new ReferenceError(key + " is absent") };
        throw held.absent.error;
      },
    });
  };
  const guard = (request) => {
    const forObjects = strict(Object.prototype, request);
    const forArrays = strict(Array.prototype, request);
    const pending = [request.values, request.depth];
    while (pending.length) {
      const depth = pending.pop();
      const value = pending.pop();
      if (depth) {
        for (const key of Array.isArray(value) ? value.keys() : keys(value)) {
          if (typeof value[key] === "object" && value[key]) pending.push(value[key], key === "steps" ? depth : depth - 1);
        }
      }
      if (value !== request.values) setPrototypeOf(value, Array.isArray(value) ? forArrays : forObjects);
    }
  };

  return (request) => {
    if (request === null) return held;
    try {
      held.phase = "syntax";
      const script = compile(request);
      if (!script) return "null";
      held.values = request.values;
      guard(request);
      held.phase = "run";
      const value = apply(script, undefined, Object.values(request.values));
      if (value instanceof Promise) {
        held.promise = value;
        return false;
      }
      held.phase = "result";
      if (value === undefined) return "null";
      const json = typeof value === "number" && value - value !== 0 ? undefined : stringify(value);
      if (json !== undefined) return json;
      throw new TypeError("the result is " + (typeof value === "number" ? value : "a " + typeof value));
    } catch (error) {
      held.error = error;
      return false;
    }
  };
})()
