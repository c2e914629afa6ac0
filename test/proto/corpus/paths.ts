// The contract of paths.proto; `meridian export` gives the .proto back.
import * as z from "zod";
import { rpc, service, wellKnown } from "../../../src/contract/index.ts";

export const GetBookRequestWhere = z.object({
  shelfId: z.int32(),
}).meta({ id: "GetBookRequest.Where" });

export const GetBookRequest = z.object({
  name: z.string(),
  bookId: z.int64(),
  where: GetBookRequestWhere.optional(),
}).meta({ id: "GetBookRequest" });

export const Book = z.object({
  name: z.string(),
  id: z.int64(),
  title: z.string(),
}).meta({ id: "Book" });

export const ListBooksRequest = z.object({
  parent: z.string(),
  pageSize: z.int32(),
}).meta({ id: "ListBooksRequest" });

export const ListBooksResponse = z.object({
  books: z.array(Book),
}).meta({ id: "ListBooksResponse" });

export const CreateBookRequest = z.object({
  parent: z.string(),
  newBook: Book.optional(),
}).meta({ id: "CreateBookRequest" });

export const ReplaceBookRequest = z.object({
  newBook: Book.optional().meta({ protoName: "newBook" }),
}).meta({ id: "ReplaceBookRequest" });

/** Keeps books. */
export const Shelf = service("shelf.v1.Shelf", {
  getBook: rpc({
    description: "A resource by its name.",
    input: GetBookRequest,
    output: Book,
    safe: true,
    http: {
      get: "/v1/{name=shelves/*/books/*}",
      additional: [{ get: "/v1/books/{bookId}" }, { get: "/v1/shelves/{where.shelfId}/first", responseBody: "title" }],
    },
  }),
  listBooks: rpc({
    input: ListBooksRequest,
    output: ListBooksResponse,
    safe: true,
    http: { get: "/v1/{parent=shelves/*}/books" },
  }),
  createBook: rpc({
    input: CreateBookRequest,
    output: Book,
    http: { post: "/v1/{parent=shelves/*}/books", body: "newBook" },
  }),
  replaceBook: rpc({
    input: ReplaceBookRequest,
    output: Book,
    idempotent: true,
    http: {
      put: "/v1/{newBook.name=shelves/*/books/*}",
      body: "*",
      additional: [{ patch: "/v1/books/{newBook.id}", body: "*" }, { post: "/v1/replace", body: "*" }],
    },
  }),
  deleteBook: rpc({ input: GetBookRequest, output: wellKnown.empty(), http: { delete: "/v1/{name=shelves/**}" } }),
  followBooks: rpc({
    kind: "server_stream",
    input: ListBooksRequest,
    output: Book,
    safe: true,
    http: { get: "/v1/{parent=shelves/*}/books:follow" },
  }),
  addBooks: rpc({
    kind: "client_stream",
    input: Book,
    output: ListBooksResponse,
    http: { post: "/v1/books:add", body: "*", responseBody: "books" },
  }),
});

/** What the .proto file says beyond the types, for `meridian export`. */
export const protoFile = {
  path: "paths.proto",
  package: "shelf.v1",
  services: {
    Shelf: {
      methods: {
        GetBook: { idempotency_level: "IDEMPOTENCY_UNKNOWN" },
        ReplaceBook: { deprecated: true },
        FollowBooks: { idempotency_level: "IDEMPOTENT" },
      },
    },
  },
};
