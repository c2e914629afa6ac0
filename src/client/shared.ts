/** Shared keeps one value for each list of objects, for as long as all of them are alive. */
export class Shared<Value> {
  readonly #root: Node<Value> = { children: new WeakMap(), value: undefined };

  /** The value of these objects, in this order; made at the first request. */
  get(keys: readonly object[], make: () => Value): Value {
    let node = this.#root;
    for (const key of keys) {
      let child = node.children.get(key);
      if (child === undefined) node.children.set(key, child = { children: new WeakMap(), value: undefined });
      node = child;
    }
    return node.value ??= make();
  }
}

interface Node<Value> {
  readonly children: WeakMap<object, Node<Value>>;
  value: Value | undefined;
}
