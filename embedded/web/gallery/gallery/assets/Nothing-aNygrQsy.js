import{t as e}from"./preact-BR9mOoe1.js";import{G as t,P as n,U as r,i,w as a}from"./index-sJemyAyH.js";import{t as o}from"./Pictures-Sw09EzrI.js";var s=3;async function c(e,t){let r=t.toLowerCase(),i=(await Promise.all([...new Set([r.slice(0,3),r.slice(0,1),``])].map(t=>e.ask(n,{prefix:t})))).flatMap(({labels:e})=>e.edges.map(({node:e})=>e.name)),a=Math.max(2,Math.floor(r.length/2));return[...new Set(i)].map(e=>({each:e,distance:l(r,e.toLowerCase())})).filter(({distance:e})=>e<=a).sort((e,t)=>e.distance-t.distance).slice(0,s).map(({each:e})=>e)}function l(e,t){if(e.length>2&&(t.includes(e)||e.includes(t)))return 1;let n=Array.from({length:t.length+1},(e,t)=>t);for(let r=1;r<=e.length;r+=1){let i=[r];for(let a=1;a<=t.length;a+=1)i.push(Math.min(n[a]+1,i[a-1]+1,n[a-1]+(e[r-1]===t[a-1]?0:1)));n=i}return n[t.length]}function u({app:t}){let{collection:n}=t,r=n.search.value,{labels:o,least:s}=r;if(!n.complete.value||n.length.value)return null;let c=a(r);if(!o.length&&!c)return i(d,{text:`No pictures yet.`,hint:`Drop pictures here, paste one, or choose Upload.`});if(!o.length)return i(d,{text:`No picture meets the filters.`,hint:`Reset the filters, or try others.`});let l=`${o.length>1?`labels`:`label`} ${o.join(` and `)}`,u=s>0?` with a confidence of ${s}% or more`:``,m=[o.length>1?`fewer labels`:`another label`,...u?[`a lower confidence`]:[],...c?[`other filters`]:[]].join(` or `);return i(d,{text:`No picture${c?` that meets the filters`:``} has the ${l}${u}.`,hint:`Try ${m}.`,children:[i(f,{app:t}),o.length===1&&!c&&i(e,{children:[i(p,{app:t,operation:`
  
  fragment Tile on Blob {
    id
    status
    fileName
    contentType
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
`,heading:`Files named ${o[0]} …`,text:o[0]}),i(p,{app:t,operation:`
  
  fragment Tile on Blob {
    id
    status
    fileName
    contentType
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
`,heading:`Pictures described by “${o[0]}”`,text:o[0]})]})]})}function d({text:e,hint:t,children:n}){return i(`div`,{id:`nothing`,children:[i(`p`,{id:`nothing-text`,children:e}),n,i(`p`,{id:`nothing-hint`,children:t})]})}function f({app:e}){let n=r([]),{labels:a}=e.collection.search.value,o=a.filter(t=>e.collection.meant.value.get(t)===null);return t(()=>{let t=!0;return n.value=[],Promise.all(o.map(async t=>({name:t,nearest:await c(e.client,t)}))).then(e=>{t&&(n.value=e.filter(({nearest:e})=>e.length))},()=>{}),()=>{t=!1}},[o.join()]),n.value.map(({name:t,nearest:n})=>i(`p`,{class:`nearest`,children:[`Instead of `,t,`: `,n.map(n=>i(`button`,{type:`button`,onClick:()=>e.search({labels:a.map(e=>e===t?n:e)}),children:n},n))]},t))}function p({app:e,operation:n,heading:a,text:s}){let c=r([]);return t(()=>{let t=!0;return c.value=[],e.client.ask(n,{text:s}).then(e=>{t&&(c.value=e.found?.nodes??[])},()=>{}),()=>{t=!1}},[s]),i(o,{heading:a,found:c.value})}export{u as Nothing};