// What a component would hold: a list that loads further pages by itself, and a picture in it.
import { graphql } from 'relay-runtime';

export const picture = graphql`
  fragment pictures_picture on Blob {
    id
    status
    labels(minConfidence: 50) { name confidence }
  }
`;

export const list = graphql`
  fragment pictures_list on Query
  @argumentDefinitions(count: { type: "Int", defaultValue: 2 }, cursor: { type: "String" })
  @refetchable(queryName: "picturesPageQuery") {
    blobs(first: $count, after: $cursor) @connection(key: "pictures_blobs") {
      edges { node { ...pictures_picture } }
    }
  }
`;

export const found = graphql`
  fragment pictures_found on Query
  @argumentDefinitions(
    label: { type: "String!" }
    count: { type: "Int", defaultValue: 2 }
    cursor: { type: "String" }
  )
  @refetchable(queryName: "picturesFoundPageQuery") {
    blobsByLabel(label: $label, first: $count, after: $cursor)
      @connection(key: "pictures_blobsByLabel", filters: ["label"]) {
      edges { confidence node { ...pictures_picture } }
    }
  }
`;

export const refetched = graphql`
  fragment pictures_refetched on Blob @refetchable(queryName: "picturesBlobQuery") {
    id
    createdAt
  }
`;

export const page = graphql`
  query picturesQuery($label: String!) {
    ...pictures_list
    ...pictures_found @arguments(label: $label)
  }
`;
