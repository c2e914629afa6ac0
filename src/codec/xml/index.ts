/** XML: the codec of people who must have it. docs/xml.md has the mapping. */
export { createXmlCodec, xml, type XmlOptions } from "./codec.ts";
