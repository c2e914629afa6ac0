// HAProxy in HTTP mode.
export { forwardCalls as forward } from "./haproxy.ts";
