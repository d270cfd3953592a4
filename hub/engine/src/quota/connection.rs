//! The port `Quota` for one connection.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use concord_core::manifest::{self, Scope};
use concord_core::ports::{Allowances, Busy, Clock, HttpResponse, Permit, Quota, Urgency};

use super::class::Class;

/// All allowances of one hub by their names.  They outlive a run, and with them
/// what was learned and the waits that systems asked for; and connections of one
/// app share its own.
#[derive(Default)]
pub struct Budgets(Mutex<BTreeMap<String, Arc<Class>>>);

impl Budgets {
    /// The one of this name, made anew where what is allowed has changed.
    fn class(
        &self,
        budget: String,
        wish: &manifest::Quota,
        make: impl FnOnce(String) -> Class,
    ) -> Arc<Class> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(&budget) {
            Some(class) if class.is_for(wish) => Arc::clone(class),
            _ => {
                let class = Arc::new(make(budget.clone()));
                known.insert(budget, Arc::clone(&class));
                class
            }
        }
    }
}

/// What an allowance is called in the database; `connection` and `app` are the
/// names of its possible owners.
pub fn budget_of(wish: &manifest::Quota, connection: &str, app: &str) -> String {
    let owner = match wish.scope {
        Scope::Connection => connection,
        Scope::App => app,
    };
    format!("{owner} {}", wish.class)
}

pub struct ConnectionQuota {
    classes: BTreeMap<String, Arc<Class>>,
    /// Who waits for the requests now; an index of [`Urgency::ALL`].
    urgency: AtomicUsize,
}

impl ConnectionQuota {
    /// `connection` and `app` name the budgets in the database.
    pub fn new(
        quotas: &[manifest::Quota],
        connection: &str,
        app: &str,
        budgets: &Budgets,
        clock: &Arc<dyn Clock>,
        allowances: &Arc<dyn Allowances>,
    ) -> Self {
        let classes = quotas.iter().map(|wish| {
            let budget = budget_of(wish, connection, app);
            let class = budgets.class(budget, wish, |budget| {
                Class::new(wish.clone(), budget, Arc::clone(clock), allowances)
            });
            (wish.class.clone(), class)
        });
        Self {
            classes: classes.collect(),
            urgency: AtomicUsize::new(Urgency::default() as usize),
        }
    }

    /// Waits in this lane, whatever the connection's other requests are for.
    pub async fn take_for(&self, class: &str, urgency: Urgency) -> Result<Box<dyn Permit>, Busy> {
        match self.classes.get(class) {
            Some(class) => Ok(Box::new(class.take(urgency).await?)),
            None => Ok(Box::new(Boundless)),
        }
    }

    /// Requests a second that are let out of a class, where a rate is known.
    pub fn rate(&self, class: &str) -> Option<f64> {
        let rate = self.classes.get(class)?.rate()?;
        Some(1.0 / rate.gap.as_secs_f64())
    }
}

#[async_trait]
impl Quota for ConnectionQuota {
    async fn take(&self, class: &str) -> Result<Box<dyn Permit>, Busy> {
        let urgency = Urgency::ALL[self.urgency.load(Ordering::Relaxed)];
        self.take_for(class, urgency).await
    }

    fn hurry(&self, urgency: Urgency) {
        self.urgency.store(urgency as usize, Ordering::Relaxed);
    }
}

/// The right to send a request of a class that has no limits.
struct Boundless;

impl Permit for Boundless {
    fn answered(self: Box<Self>, _response: &HttpResponse) {}
}
