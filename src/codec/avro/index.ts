/** The Avro codec: Avro's binary encoding with schema resolution, compiled from the schema model. */
export { avroCodec, type AvroOptions, createAvroCodec } from "./codec.ts";
