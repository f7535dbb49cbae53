import{t as e}from"./preact-BR9mOoe1.js";import{A as t,B as n,R as r,S as i,i as a}from"./index-DgpprNel.js";import{t as o}from"./Pictures-BUKdN0z2.js";var s=3;async function c(e,n){let r=n.toLowerCase(),i=(await Promise.all([...new Set([r.slice(0,3),r.slice(0,1),``])].map(n=>e.ask(t,{prefix:n})))).flatMap(({labels:e})=>e.edges.map(({node:e})=>e.name)),a=Math.max(2,Math.floor(r.length/2));return[...new Set(i)].map(e=>({each:e,distance:l(r,e.toLowerCase())})).filter(({distance:e})=>e<=a).sort((e,t)=>e.distance-t.distance).slice(0,s).map(({each:e})=>e)}function l(e,t){if(e.length>2&&(t.includes(e)||e.includes(t)))return 1;let n=Array.from({length:t.length+1},(e,t)=>t);for(let r=1;r<=e.length;r+=1){let i=[r];for(let a=1;a<=t.length;a+=1)i.push(Math.min(n[a]+1,i[a-1]+1,n[a-1]+(e[r-1]===t[a-1]?0:1)));n=i}return n[t.length]}function u({app:t}){let{collection:n}=t,r=n.search.value,{labels:o,least:s}=r;if(!n.complete.value||n.length.value)return null;let c=i(r);if(!o.length&&!c)return a(d,{text:`No pictures yet.`,hint:`Drop pictures here, paste one, or choose Upload.`});if(!o.length)return a(d,{text:`No picture meets the filters.`,hint:`Reset the filters, or try others.`});let l=`${o.length>1?`labels`:`label`} ${o.join(` and `)}`,u=s>0?` with a confidence of ${s}% or more`:``,m=[o.length>1?`fewer labels`:`another label`,...u?[`a lower confidence`]:[],...c?[`other filters`]:[]].join(` or `);return a(d,{text:`No picture${c?` that meets the filters`:``} has the ${l}${u}.`,hint:`Try ${m}.`,children:[a(f,{app:t}),o.length===1&&!c&&a(e,{children:[a(p,{app:t,operation:`
  
  fragment Tile on Blob {
    id
    status
    createdAt
    labels { name confidence parents confirmedAt }
    failure { code message }
    thumbnailUrl
    downloadUrl
    deletesAt
  }

  query Named($text: String!) {
    found: blobs(filter: { fileNamePrefix: $text }, orderBy: FILE_NAME, first: 12) { nodes { ...Tile } }
  }
`,heading:`Files named ${o[0]} …`,text:o[0]}),a(p,{app:t,operation:`
  
  fragment Tile on Blob {
    id
    status
    createdAt
    labels { name confidence parents confirmedAt }
    failure { code message }
    thumbnailUrl
    downloadUrl
    deletesAt
  }

  query Described($text: String!) {
    found: search(text: $text, first: 12) { nodes { ...Tile } }
  }
`,heading:`Pictures described by “${o[0]}”`,text:o[0]})]})]})}function d({text:e,hint:t,children:n}){return a(`div`,{id:`nothing`,children:[a(`p`,{id:`nothing-text`,children:e}),n,a(`p`,{id:`nothing-hint`,children:t})]})}function f({app:e}){let t=r([]),{labels:i}=e.collection.search.value,o=i.filter(t=>e.collection.meant.value.get(t)===null);return n(()=>{let n=!0;return t.value=[],Promise.all(o.map(async t=>({name:t,nearest:await c(e.client,t)}))).then(e=>{n&&(t.value=e.filter(({nearest:e})=>e.length))},()=>{}),()=>{n=!1}},[o.join()]),t.value.map(({name:t,nearest:n})=>a(`p`,{class:`nearest`,children:[`Instead of `,t,`: `,n.map(n=>a(`button`,{type:`button`,onClick:()=>e.search({labels:i.map(e=>e===t?n:e)}),children:n},n))]},t))}function p({app:e,operation:t,heading:i,text:s}){let c=r([]);return n(()=>{let n=!0;return c.value=[],e.client.ask(t,{text:s}).then(e=>{n&&(c.value=e.found?.nodes??[])},()=>{}),()=>{n=!1}},[s]),a(o,{heading:i,found:c.value})}export{u as Nothing};