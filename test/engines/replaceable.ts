/** What a registry holds, as the compliance suite replaces it: entered by a driver of its own, changed, withdrawn. */
import type { Registrar, Registration } from "../../src/core/discovery.ts";
import type { EndpointFields } from "../../src/core/endpoint.ts";
import type { ServiceFields } from "../../src/testing/discovery.ts";

interface Entered {
  readonly text: string;
  readonly registration: Registration;
}

/** Returns what replaces all that is entered; resolves once the engine has it. */
export function replaceable(registrar: Registrar): (services: ServiceFields) => Promise<void> {
  const entered = new Map<string, Entered>();

  return async (services) => {
    const wanted = new Map(Object.entries(services).flatMap(([name, endpoints]) => endpoints.map((fields) =>
      [JSON.stringify([name, fields.id ?? fields.address]), { name, fields }] as [string, Wanted])));
    for (const [key, { registration }] of [...entered]) {
      if (wanted.has(key)) continue;
      entered.delete(key);
      await registration.close();
    }
    for (const [key, { name, fields }] of wanted) {
      const text = JSON.stringify(fields);
      if (entered.get(key)?.text === text) continue;
      entered.set(key, { text, registration: registrar.register(name, fields) });
    }
    await Promise.all([...entered.values()].map(({ registration }) => registration.registered));
  };
}

interface Wanted {
  readonly name: string;
  readonly fields: EndpointFields;
}
