/** Says on whose behalf a gateway calls: a server believes it that trusts the gateway (`trust` of its `auth`). */
import {
  anonymous, callerMetadata, type Context, createMetadata, forwardedIdentity, type Metadata, type Service,
} from "../core/index.ts";

/** Over all that a gateway forwards, copies included. */
export function onBehalf(region: string, next: Service): Service {
  return (request, context) => {
    const metadata = metadataOf(context, region);
    return next(request, metadata === context.metadata ? context : context.with({ metadata }));
  };
}

/**
 * The metadata of the call as it goes on: with its caller, where this gateway knows it, who came to `region`. What the
 * caller put there itself would be believed as much, so it is taken away.
 */
function metadataOf({ identity, metadata }: Context, region: string): Metadata {
  if (identity !== undefined && identity !== anonymous) {
    return createMetadata({ ...metadata, [callerMetadata]: forwardedIdentity(identity, region) });
  }
  if (metadata[callerMetadata] === undefined) return metadata;
  return createMetadata(Object.fromEntries(Object.entries(metadata).filter(([name]) => name !== callerMetadata)));
}
