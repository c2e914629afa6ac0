/** Trailers of replies: what the answer to a call says beside the answer. */

/** Names the region and zone of the server that answered, as in `eu-west/a`. */
export const servedByTrailer = "served-by";

/** How long the caller's gateway waited for the server, in milliseconds; what a gateway with `timing` adds. */
export const upstreamTrailer = "meridian-upstream-ms";
