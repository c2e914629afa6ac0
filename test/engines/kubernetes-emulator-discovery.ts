/** What the emulator says of itself, so that kubectl finds its one resource. */
export const version = {
  major: "1", minor: "34", gitVersion: "v1.34.0-emulator", gitCommit: "", gitTreeState: "", buildDate: "",
  goVersion: "", compiler: "", platform: "",
};

const group = { groupVersion: "discovery.k8s.io/v1", version: "v1" };

/** Answers by path. */
export const resources: Readonly<Record<string, object>> = {
  "/api": { kind: "APIVersions", versions: ["v1"], serverAddressByClientCIDRs: [] },
  "/api/v1": { kind: "APIResourceList", groupVersion: "v1", resources: [] },
  "/apis": {
    kind: "APIGroupList", apiVersion: "v1",
    groups: [{ name: "discovery.k8s.io", versions: [group], preferredVersion: group }],
  },
  "/apis/discovery.k8s.io/v1": {
    kind: "APIResourceList", apiVersion: "v1", groupVersion: "discovery.k8s.io/v1",
    resources: [{
      name: "endpointslices", singularName: "endpointslice", namespaced: true, kind: "EndpointSlice",
      verbs: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    }],
  },
};
