//! A store that dies: after so many requests nothing is done any more; or one request is done and its answer lost; or
//! one is refused for a while.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What happens at the request of that number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It and all that follow are not done.
    DiesBefore(usize),
    /// It is done, but its answer and all that follows are lost.
    DiesAfter(usize),
    /// It is refused, and what follows is done.
    Refuses(usize),
}

#[derive(Debug)]
pub struct Shaky {
    inner: Arc<dyn ObjectStore>,
    fault: Fault,
    requests: Arc<AtomicUsize>,
}

enum Verdict {
    Done,
    Lost,
    Refused,
}

impl Shaky {
    pub fn new(inner: Arc<dyn ObjectStore>, fault: Fault) -> Shaky {
        Shaky { inner, fault, requests: Arc::default() }
    }

    /// Requests so far.
    pub fn requests(&self) -> Arc<AtomicUsize> {
        self.requests.clone()
    }

    fn next(&self) -> Verdict {
        verdict(&self.requests, self.fault)
    }
}

fn verdict(requests: &AtomicUsize, fault: Fault) -> Verdict {
    let number = requests.fetch_add(1, Ordering::SeqCst);
    match fault {
        Fault::DiesBefore(at) if number >= at => Verdict::Refused,
        Fault::DiesAfter(at) if number == at => Verdict::Lost,
        Fault::DiesAfter(at) if number > at => Verdict::Refused,
        Fault::Refuses(at) if number == at => Verdict::Refused,
        _ => Verdict::Done,
    }
}

fn dead() -> Error {
    Error::Generic { store: "shaky", source: "503 Service Unavailable".into() }
}

impl fmt::Display for Shaky {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Shaky({})", self.inner)
    }
}

#[async_trait::async_trait]
impl ObjectStore for Shaky {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        match self.next() {
            Verdict::Done => self.inner.put_opts(location, payload, options).await,
            Verdict::Lost => {
                self.inner.put_opts(location, payload, options).await?;
                Err(dead())
            }
            Verdict::Refused => Err(dead()),
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        match self.next() {
            Verdict::Done => self.inner.get_opts(location, options).await,
            _ => Err(dead()),
        }
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (inner, requests, fault) = (self.inner.clone(), self.requests.clone(), self.fault);
        let deleted = locations.then(move |location| {
            let (inner, requests) = (inner.clone(), requests.clone());
            async move {
                use object_store::ObjectStoreExt;
                let location = location?;
                match verdict(&requests, fault) {
                    Verdict::Done => inner.delete(&location).await.map(|()| location),
                    Verdict::Lost => {
                        inner.delete(&location).await?;
                        Err(dead())
                    }
                    Verdict::Refused => Err(dead()),
                }
            }
        });
        deleted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.next() {
            Verdict::Done => self.inner.list(prefix),
            _ => futures::stream::once(async { Err(dead()) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        match self.next() {
            Verdict::Done => self.inner.list_with_delimiter(prefix).await,
            _ => Err(dead()),
        }
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
