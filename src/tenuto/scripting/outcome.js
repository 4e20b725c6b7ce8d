// Puts into words what runner.js held: an error ("e" and JSON), or what a promise came to ("v" or "e"; "p" while it
// is pending, to be asked again). Compiled only when it is needed.
(() => {
  const MOST_VISITED = 100000;

  const shorten = (value) => String(value).slice(0, 2000);

  // Where in the scope an object stands, as [root, key, ...].
  const pathTo = (values, holder) => {
    const seen = [{ value: values }];
    for (let i = 0; i < seen.length && i < MOST_VISITED; i++) {
      const { value } = seen[i];
      if (value === holder) {
        const path = [];
        for (let node = seen[i]; node.parent; node = node.parent) path.unshift(node.key);
        return path;
      }
      for (const key of Array.isArray(value) ? value.keys() : Object.keys(value)) {
        const child = value[key];
        if (typeof child === "object" && child && seen.length < MOST_VISITED) {
          seen.push({ value: child, key, parent: seen[i] });
        }
      }
    }
    return [];
  };

  const pathOfAbsent = ({ values, absent: { holder, key } }) => {
    const path = pathTo(values, holder);
    if (!path.length) return undefined;
    return [...path, Array.isArray(holder) && String(Number(key)) === key ? Number(key) : key];
  };

  const describe = (held) => {
    const { error, phase, absent } = held;
    const told = { phase };
    try {
      if (absent && absent.error === error) told.absent = pathOfAbsent(held);
      if (typeof error === "object" && error && ("message" in error || "name" in error)) {
        told.name = shorten(error.name);
        told.message = shorten(error.message);
        told.stack = shorten(error.stack);
      } else {
        told.thrown = shorten(typeof error === "object" ? JSON.stringify(error) : error);
      }
    } catch {
      told.thrown = "something that cannot be shown";
    }
    return ["e", JSON.stringify(told)].join("");
  };

  const serialize = (value) => {
    if (value === undefined) return "vnull";
    const json = typeof value === "number" && value - value !== 0 ? undefined : JSON.stringify(value);
    if (json !== undefined) return ["v", json].join("");
    throw new TypeError("the result is " + (typeof value === "number" ? value : "a " + typeof value));
  };

  const failed = (held, error, phase) => {
    held.error = error;
    held.phase = phase;
    return describe(held);
  };

  const follow = (held) => {
    held.answer = "p";
    Promise.prototype.then.call(
      held.promise,
      (value) => {
        try {
          held.answer = serialize(value);
        } catch (error) {
          held.answer = failed(held, error, "result");
        }
      },
      (error) => {
        held.answer = failed(held, error, "run");
      },
    );
  };

  return (held) => {
    if (!held.promise) return describe(held);
    if (!held.answer) follow(held);
    return held.answer;
  };
})()
